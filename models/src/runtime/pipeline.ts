// Stages of one bundle run in sequence, in one runtime: the tensors that a stage gives are what the next
// one takes. A run may start at any stage, so that a cut which a device computed can be continued. Of a cascade, whose
// stages all take the bundle's input, the last answers alone: the others are there to spare it.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import type { Stage } from '../bundle/manifest.ts';
import type { TensorMap, TensorSpec } from '../tensor.ts';
import type { Execution } from './execution-provider.ts';
import { openStages, type StageOptions } from './open-stages.ts';
import type { Runtime } from './runtime.ts';

export interface Pipeline {
  /** What the stage at `place` takes, and the last one gives, as the graphs themselves say. */
  inputs(place: number): readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** False while a worker is dead; the next run starts another. */
  alive(): boolean;
  /** What each stage runs on. */
  executions(): readonly Execution[];
  /** Runs from the stage at `place` on. */
  run(feeds: TensorMap, place?: number): Promise<Result<TensorMap>>;
  close(): Promise<void>;
}

/** All stages are loaded, or, with the Failure of the first that cannot be, none. */
export async function openPipeline(
  stages: readonly Pick<Stage, 'name' | 'inputs' | 'outputs'>[],
  bytes: ReadonlyMap<string, Uint8Array>,
  createRuntime: () => Runtime,
  options: StageOptions,
): Promise<Result<Pipeline>> {
  const opened = await openStages(stages, bytes, createRuntime, options);
  if (!opened.ok) return opened;
  const { sessions, close } = opened.value;
  return ok({
    inputs: (place) => defined(sessions[place], `stage ${place}`).inputs,
    outputs: defined(sessions.at(-1), 'the last stage').outputs,
    alive: () => sessions.every((session) => session.alive()),
    executions: () => sessions.map((session) => session.execution()),
    close,
    async run(feeds, place = 0) {
      let values = feeds;
      const ready = sessions.findLastIndex(({ inputs }) =>
        inputs.every(({ name }) => name in feeds),
      );
      for (const session of sessions.slice(Math.max(place, ready))) {
        const taken = pick(values, session.inputs);
        if (!taken.ok) return taken;
        const ran = await session.run(taken.value);
        if (!ran.ok) return ran;
        values = ran.value;
      }
      return ok(values);
    },
  });
}

/** A session refuses what it does not know; a cut may have left the stage before together with its logits. */
function pick(values: TensorMap, specs: readonly TensorSpec[]): Result<TensorMap> {
  const picked: Record<string, TensorMap[string]> = {};
  for (const { name } of specs) {
    const value = values[name];
    if (value === undefined) return err(failure('invalid_tensor', `input '${name}' is missing`));
    picked[name] = value;
  }
  return ok(picked);
}
