// A variant over many examples, every stage on all of them whatever the thresholds say: what calibration, measurement
// and quantization look at.

import { collect, defined, err, failure, ok, type Result } from '@skerry/shared';
import type { Observed } from '../calibration/observed.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { batchesOf, concatRows } from '../tensor-rows.ts';
import type { Exit, Manifest, Stage } from './manifest.ts';

/** ONNX bytes by stage name. */
export type StageBytes = ReadonlyMap<string, Uint8Array>;

/** Many examples along the first dimension of the bundle's input, and their labels. */
export interface Examples {
  readonly input: Tensor;
  readonly labels: ArrayLike<number>;
}

/** The parts of a data set that calibration keeps apart. */
export interface CalibrationExamples {
  /** Ranges of activations, and temperatures. */
  readonly tuning: Examples;
  /** The thresholds. */
  readonly proving: Examples;
  /** What judges the result. */
  readonly test: Examples;
}

const examplesPerRun = 250;

/** A graph's outputs over any number of examples. Fails as the runtime does. */
export async function runRows(
  model: Uint8Array,
  input: Tensor,
  runtime: Runtime,
): Promise<Result<TensorMap>> {
  const session = await runtime.load(model, { threads: 2 });
  if (!session.ok) return session;
  try {
    const [fed] = session.value.inputs;
    if (fed === undefined) return err(failure('invalid_bundle', 'a stage without an input'));
    const rows = fed.shape[0] === -1 ? examplesPerRun : (fed.shape[0] as number);
    const parts: Result<TensorMap>[] = [];
    for (const part of batchesOf(input, rows))
      parts.push(await session.value.run({ [fed.name]: part }));
    const ran = collect(parts);
    if (!ran.ok) return ran;
    const outputs = session.value.outputs.map(({ name }) => {
      const tensors = ran.value.map((part) => defined(part[name], `output '${name}'`));
      return [name, concatRows(tensors)] as const;
    });
    return ok(Object.fromEntries(outputs));
  } finally {
    await session.value.close();
  }
}

/** What each exit gives, in the order of the manifest's exits, with the last one's logits beside it. Fails as the runtime does. */
export async function runStages(
  { stages, exits, labels }: Pick<Manifest, 'stages' | 'exits' | 'labels'>,
  bytes: StageBytes,
  examples: Examples,
  runtime: Runtime,
): Promise<Result<readonly Observed[]>> {
  const observed: Observed[] = [];
  let input = examples.input;
  for (const stage of stages) {
    const ran = await runRows(defined(bytes.get(stage.name), stage.name), input, runtime);
    if (!ran.ok) return ran;
    const cut = stage.cut === undefined ? undefined : defined(ran.value[stage.cut], stage.cut);
    for (const { logits } of exitsOf(stage, exits))
      observed.push({
        classes: labels.length,
        logits: defined(ran.value[logits], logits).data as Float32Array,
        labels: examples.labels,
        cut,
      });
    input = cut ?? examples.input;
  }
  const whole = observed.at(-1)?.logits;
  return ok(observed.map((exit) => ({ ...exit, whole })));
}

const exitsOf = (stage: Stage, exits: readonly Exit[]): Exit[] =>
  exits.filter((exit) => exit.stage === stage.name);
