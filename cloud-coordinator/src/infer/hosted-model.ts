// One variant of one bundle, hosted: its instances, and what can be asked of them.

import {
  type Execution,
  executionProperties,
  goldenSamples,
  isBatched,
  openReloadable,
  predict,
  type Residency,
  type Runtime,
  type Stage,
  type TensorMap,
  textTensor,
} from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { type Clock, defined, err, failure, type Log, ok, type Result } from '@skerry/shared';
import { type CloudHalf, createCloudHalf, planCloudHalf } from './cloud-half.ts';
import { type InstanceOptions, openInstances } from './model-instances.ts';
import {
  createServingEntry,
  isBatchable,
  type ServingEntry,
  type ServingLimits,
} from './serving-entry.ts';
import type { RunHere } from './upstreams/embedded-upstream.ts';
import type { TensorRoute } from './upstreams/tensor-route.ts';

export interface HostedModel {
  readonly name: string;
  readonly version: string;
  readonly variant: string;
  /** The whole network by the model's name, and its cloud stage by `NAME.STAGE`. */
  readonly entries: readonly ServingEntry[];
  readonly half?: CloudHalf;
  /** An entry's run, in this process. */
  readonly runHere: RunHere;
  load(): Promise<Result<void>>;
  unload(): Promise<void>;
  /** When it has answered all that it was asked: another takes its place, and asks it no more. */
  idle(): Promise<unknown>;
  close(): Promise<void>;
}

export interface HostPorts {
  readonly createRuntime: () => Runtime;
  readonly residency: Residency;
  readonly clock: Clock;
  readonly log: Log;
  onBatch(model: string, rows: number, computeMs: number): void;
  /** Who computes a batch, where it is not simply this process. */
  readonly route?: TensorRoute | undefined;
}

export type HostLimits = ServingLimits & Pick<InstanceOptions, 'threads'>;

/** Fails with `invalid_bundle` where the bundle holds nothing that can run here. */
export async function openHostedModel(
  bundle: Bundle,
  limits: HostLimits,
  ports: HostPorts,
): Promise<Result<HostedModel>> {
  const { manifest, variant, stages: bytes } = bundle;
  const plan = planCloudHalf(bundle);
  if (!plan.ok) return plan;
  // A coordinator may have been given the cloud's bytes alone.
  const firstPlace = manifest.stages.findIndex(({ name }) => bytes.has(name));
  if (firstPlace < 0) return err(failure('invalid_bundle', `no stage of ${manifest.name} is here`));
  const held = manifest.stages.slice(firstPlace);
  const { createRuntime, residency, log } = ports;
  const { threads, slots: instances, rowsMax: rows } = limits;
  // Of a cut nobody has examples here.
  const samples = () => (firstPlace === 0 ? goldenSamples(manifest, rows) : []);
  const options = { threads, residency, instances, samples, rows };
  const opened = await openReloadable(async () => {
    const opened = await openInstances(held, bytes, createRuntime, options, log);
    const properties = opened.ok ? executionProperties(opened.value.executions()) : {};
    if (Object.keys(properties).length > 0)
      log.info({ model: manifest.name, variant: variant.name, ...properties }, 'model loaded');
    return opened;
  });
  if (!opened.ok) return opened;
  const { current, load, unload } = opened.value;
  const executions = () => current()?.executions() ?? [];

  /** By the name of an entry: the stage that it begins at. */
  const places = new Map<string, number>();
  const runHere: RunHere = async (name, feeds) => {
    const [instances, place] = [current(), places.get(name)];
    return instances === undefined || place === undefined
      ? err(failure('unavailable', `Model with name ${name} is not ready.`))
      : instances.run(place, feeds);
  };
  const entryAt = (
    place: number,
    name: string,
    present?: (outputs: TensorMap) => Result<TensorMap>,
  ) => {
    places.set(name, place);
    const description = describe(bundle, place, name, present !== undefined, executions);
    const graph = graphOf(held.slice(place));
    const wanted = graph.outputs.map((output) => output.name);
    const batchable = isBatchable(graph);
    return createServingEntry(description, batchable, limits, {
      clock: ports.clock,
      execute: (feeds, leftMs) =>
        ports.route?.(name, feeds, wanted, leftMs) ?? runHere(name, feeds),
      ready: () => current()?.alive() ?? false,
      loaded: () => current() !== undefined,
      ...(present === undefined ? {} : { present }),
      onBatch: (rows, computeMs) => ports.onBatch(name, rows, computeMs),
    });
  };
  const classifies = manifest.task === 'image-classification';
  const whole =
    firstPlace === 0 ? [entryAt(0, manifest.name, classifies ? labeller(bundle) : undefined)] : [];
  const half = plan.value && {
    plan: plan.value,
    entry: entryAt(plan.value.place - firstPlace, `${manifest.name}.${plan.value.stage}`),
  };
  const entries = half === undefined ? whole : [...whole, half.entry];
  return ok({
    name: manifest.name,
    version: manifest.version,
    variant: variant.digest,
    entries,
    runHere,
    ...(half === undefined
      ? {}
      : { half: createCloudHalf(half.plan, half.entry, limits.priorities) }),
    load,
    unload,
    idle: () => Promise.all(entries.map((entry) => entry.idle())),
    async close() {
      for (const entry of entries) entry.close();
      await unload();
    },
  });
}

/** What enters and leaves stages that run in sequence. */
const graphOf = (stages: readonly Stage[]) => ({
  inputs: defined(stages[0], 'a stage').inputs,
  outputs: defined(stages.at(-1), 'a stage').outputs,
});

function describe(
  { manifest, variant }: Bundle,
  place: number,
  name: string,
  labelled: boolean,
  executions: () => readonly Execution[],
) {
  const { inputs, outputs } = graphOf(manifest.stages.slice(place));
  const batch = isBatched(inputs[0]?.shape ?? []) ? -1 : 1;
  return {
    name,
    version: manifest.version,
    platform: 'onnx_onnxv1',
    inputs,
    outputs: labelled
      ? [
          ...outputs,
          { name: 'label', datatype: 'BYTES' as const, shape: [batch] },
          {
            name: 'probabilities',
            datatype: 'FP32' as const,
            shape: [batch, manifest.labels.length],
          },
        ]
      : outputs,
    /** Of now: a session may be left for the cpu while it runs. */
    get properties() {
      return {
        model_digest: variant.digest,
        licence: manifest.licence,
        task: manifest.task,
        ...executionProperties(executions()),
      };
    },
  };
}

/** A classifier's last logits and what its device would say: each row's label, and the classes' probabilities. */
function labeller({ manifest, variant }: Bundle) {
  const exit = defined(manifest.exits.at(-1), 'the last exit');
  const temperature =
    variant.calibration.exits.find((e) => e.exit === exit.index)?.temperature ?? 1;
  const classes = manifest.labels.length;
  return (outputs: TensorMap): Result<TensorMap> => {
    const logits = outputs[exit.logits]?.data;
    if (!(logits instanceof Float32Array) || logits.length % classes !== 0)
      return err(failure('runtime_failed', `'${exit.logits}' is not FP32 [rows, ${classes}]`));
    const rows = logits.length / classes;
    const labels: string[] = [];
    const data = new Float32Array(logits.length);
    for (let row = 0; row < rows; row++) {
      const { index, probabilities } = predict(
        logits.subarray(row * classes, (row + 1) * classes),
        temperature,
      );
      labels.push(manifest.labels[index] ?? '');
      data.set(probabilities, row * classes);
    }
    return ok({
      ...outputs,
      label: textTensor([rows], labels),
      probabilities: { datatype: 'FP32', shape: [rows, classes], data },
    });
  };
}
