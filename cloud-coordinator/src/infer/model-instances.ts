// Copies of one model that run at once, each on a worker thread of the pool, and which of them is free.

import {
  bytesPerElement,
  type Execution,
  elementCount,
  joinBytes,
  openPipeline,
  type Pipeline,
  type Residency,
  type Runtime,
  type Stage,
  type Tensor,
  type TensorMap,
  type TensorSpec,
  tensorFromBytes,
} from '@skerry/models';
import { collect, defined, type Log, ok, type Result } from '@skerry/shared';

export interface ModelInstances {
  /** Runs from the stage at `place` on, on an instance that is free there: the batcher asks for no more than there are. */
  run(place: number, feeds: TensorMap): Promise<Result<TensorMap>>;
  inputs(place: number): readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  alive(): boolean;
  /** What each stage of each instance runs on. */
  executions(): readonly Execution[];
  close(): Promise<void>;
}

export interface InstanceOptions {
  readonly instances: number;
  readonly threads: number;
  /** The memory that all models share. */
  readonly residency: Residency;
  /** Of the first stage: see StageOptions. */
  readonly samples: () => readonly TensorMap[];
  /** Of the largest batch. */
  readonly rows: number;
}

/** Each instance has run once on zeros before anybody asks it: the first run of a graph is its slowest. */
export async function openInstances(
  stages: readonly Stage[],
  bytes: ReadonlyMap<string, Uint8Array>,
  createRuntime: () => Runtime,
  { instances, ...options }: InstanceOptions,
  log: Log,
): Promise<Result<ModelInstances>> {
  const opened = await Promise.all(
    Array.from({ length: instances }, () => openPipeline(stages, bytes, createRuntime, options)),
  );
  const pipelines = collect(opened);
  if (!pipelines.ok) {
    for (const pipeline of opened) if (pipeline.ok) await pipeline.value.close();
    return pipelines;
  }
  for (const pipeline of pipelines.value) await warmUp(pipeline, log);
  const free = new Map<number, Pipeline[]>();
  const first = defined(pipelines.value[0], 'an instance');
  return ok({
    inputs: first.inputs,
    outputs: first.outputs,
    alive: () => pipelines.value.every((pipeline) => pipeline.alive()),
    executions: () => pipelines.value.flatMap((pipeline) => pipeline.executions()),
    async run(place, feeds) {
      const idle = free.get(place) ?? [...pipelines.value];
      free.set(place, idle);
      const pipeline = idle.pop() ?? first;
      const ran = await pipeline.run(feeds, place);
      idle.push(pipeline);
      return ran;
    },
    async close() {
      await Promise.all(pipelines.value.map((pipeline) => pipeline.close()));
    },
  });
}

async function warmUp(pipeline: Pipeline, log: Log): Promise<void> {
  const feeds: Record<string, Tensor> = {};
  for (const spec of pipeline.inputs(0)) {
    const zeros = zerosOf(spec);
    if (zeros.ok) feeds[spec.name] = zeros.value;
  }
  const ran = await pipeline.run(feeds);
  // A graph may rightly refuse zeros, or shapes of one.
  if (!ran.ok) log.debug({ code: ran.error.code, reason: ran.error.message }, 'not warmed up');
}

function zerosOf({ datatype, shape }: TensorSpec): Result<Tensor> {
  const one = shape.map((size) => (size === -1 ? 1 : size));
  const count = elementCount(one);
  if (!count.ok) return count;
  const bytes =
    datatype === 'BYTES'
      ? joinBytes(Array.from({ length: count.value }, () => new Uint8Array()))
      : new Uint8Array(count.value * bytesPerElement(datatype));
  return tensorFromBytes(datatype, one, bytes);
}
