// Runs step loops: some steps a run, with the weights and the momenta that go in and come out.

import { defined, ok, type Result } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { encodeModel } from '../onnx/model-proto.ts';
import { createOrtSession } from '../runtime/ort-session.ts';
import type { LoadOptions, Session } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { createStepLoop, type StepKind, stepInputs, stepOutputs } from './step-loop.ts';
import { layoutOf, layoutSize, type Trainable } from './trainable.ts';

export interface SgdOptions {
  readonly momentum?: number | undefined;
  /** L2 penalty on weights, not on biases. */
  readonly weightDecay?: number | undefined;
  /** Added to each gradient: pull · w − offset. */
  readonly pull?: number | undefined;
  readonly offset?: Float32Array<ArrayBuffer> | undefined;
}

/** The batches of some steps, one after the other. */
export interface Steps {
  /** [rows, ...input]. */
  readonly examples: Float32Array<ArrayBuffer>;
  /** [rows, classes]. */
  readonly targets: Float32Array<ArrayBuffer>;
  /** Rows in each step's batch. */
  readonly rows: readonly number[];
  /** One a step. */
  readonly learningRates: readonly number[];
  readonly temperature?: number;
}

export interface Sgd {
  /** Takes the steps; gives each one's mean loss at each exit, before it. Fails as a runtime does. */
  run(steps: Steps): Promise<Result<readonly (readonly number[])[]>>;
  /** As they are after the last run. */
  parameters(): Float32Array<ArrayBuffer>;
  close(): Promise<void>;
}

/** What the step graph of these options has: options of one kind share a session. */
export const stepKindOf = (options: SgdOptions): StepKind => ({
  momentum: (options.momentum ?? 0) > 0,
  pull: (options.pull ?? 0) > 0 || (options.weightDecay ?? 0) > 0,
  offset: options.offset !== undefined,
});

/** From `initial`, with momenta of 0. Fails with `invalid_bundle` where the runtime lacks an operator. */
export async function createSgd(
  trainable: Trainable,
  initial: Float32Array<ArrayBuffer>,
  options: SgdOptions & LoadOptions,
): Promise<Result<Sgd>> {
  const model = encodeModel(createStepLoop(trainable, stepKindOf(options)));
  const arena = { threads: options.threads ?? 1, arena: true };
  const session = await createOrtSession(ort, model, 'cpu', arena);
  if (!session.ok) return session;
  const sgd = startSgd(session.value, trainable, initial, options);
  return ok({ ...sgd, close: () => session.value.close() });
}

/** On a session of the options' kind, which stays open. */
export function startSgd(
  session: Session,
  trainable: Trainable,
  initial: Float32Array<ArrayBuffer>,
  options: SgdOptions,
): Omit<Sgd, 'close'> {
  const kind = stepKindOf(options);
  const size = layoutSize(layoutOf(trainable));
  const exits = trainable.exits.length;
  const { classes } = defined(trainable.exits[0], 'an exit');
  const scalar = (value: number | undefined) => float32([], Float32Array.of(value ?? 0));
  // A session takes what its graph names and no more.
  const constant: Record<string, Tensor> = {
    [stepInputs.momentum]: scalar(options.momentum),
    [stepInputs.pull]: scalar(options.pull),
    [stepInputs.decay]: scalar(options.weightDecay),
    ...(options.offset ? { [stepInputs.offset]: float32([size], options.offset) } : {}),
  };
  let parameters = initial;
  let velocity = new Float32Array(kind.momentum ? size : 0);
  return {
    async run({ examples, targets, rows, learningRates, temperature = 1 }) {
      const count = rows.reduce((sum, n) => sum + n, 0);
      const ran = await session.run({
        ...constant,
        [stepInputs.parameters]: float32([size], parameters),
        [stepInputs.velocity]: float32([velocity.length], velocity),
        [stepInputs.examples]: float32([count, ...trainable.input], examples),
        [stepInputs.targets]: float32([count, classes], targets),
        [stepInputs.bounds]: boundsOf(rows),
        [stepInputs.learningRates]: float32([rows.length], Float32Array.from(learningRates)),
        [stepInputs.temperature]: scalar(temperature),
      });
      if (!ran.ok) return ran;
      parameters = floatsOf(ran.value[stepOutputs.parameters]);
      if (kind.momentum) velocity = floatsOf(ran.value[stepOutputs.velocity]);
      const losses = Array.from(floatsOf(ran.value[stepOutputs.losses]));
      return ok(rows.map((_, step) => losses.slice(step * exits, (step + 1) * exits)));
    },
    parameters: () => parameters,
  };
}

/** 0, and after each step the rows that are taken. */
function boundsOf(rows: readonly number[]): Tensor {
  const data = new BigInt64Array(rows.length + 1);
  for (const [i, n] of rows.entries()) data[i + 1] = (data[i] as bigint) + BigInt(n);
  return { datatype: 'INT64', shape: [data.length], data };
}

export const float32 = (shape: readonly number[], data: Float32Array<ArrayBuffer>): Tensor => ({
  datatype: 'FP32',
  shape,
  data,
});

export const floatsOf = (tensor: Tensor | undefined): Float32Array<ArrayBuffer> =>
  defined(tensor, 'output').data as Float32Array<ArrayBuffer>;
