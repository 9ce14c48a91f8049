// The trainer that needs nothing but the runtime that a device has anyway: step graphs in onnxruntime. Sessions are made
// when they are first needed. What is frozen in a model runs once an example, and its features are kept.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { encodeModel } from '../onnx/model-proto.ts';
import { createOrtSession } from '../runtime/ort-session.ts';
import type { Session } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { batchesOf, concatRows } from '../tensor-rows.ts';
import { planSteps, type StepPlan } from './plan-steps.ts';
import { float32, floatsOf, type Sgd, type SgdOptions, startSgd, stepKindOf } from './sgd.ts';
import {
  createForwardGraph,
  createGradientGraph,
  createStepLoop,
  logitsName,
  stepInputs,
  stepOutputs,
} from './step-loop.ts';
import { createTally } from './tally.ts';
import { layoutOf, layoutSize, type Trainable } from './trainable.ts';
import {
  type BatchGradient,
  checkParameters,
  checkTask,
  type Evaluation,
  type Trained,
  type Trainer,
  type TrainingExamples,
  type TrainTask,
} from './trainer.ts';
import { type ExampleRows, passesOf, readExamples, rowsPerPass } from './training-batches.ts';

export interface OnnxTrainerOptions {
  /** Threads inside one operator; 1 where it is not said. */
  readonly threads?: number;
  /** What a byte of UINT8 examples is multiplied by; 1/255 where it is not said. */
  readonly inputScale?: number;
}

/** Features of an example that training does not change: they are what a Trainable reads. */
export interface FrozenPart {
  /** An ONNX model of one input. */
  readonly model: Uint8Array;
  readonly features: string;
}

/** Steps of one run: so many that crossing into the runtime costs little, so few that an abort is soon heard. */
const stepsPerRunMax = 32;
/** A run's examples are copied. */
const rowsPerRunMax = 1024;

export function createOnnxTrainer(
  trainable: Trainable,
  { threads = 1, inputScale = 1 / 255 }: OnnxTrainerOptions = {},
  frozen?: FrozenPart,
): Trainer {
  const layout = layoutOf(trainable);
  const { classes } = defined(trainable.exits.at(-1), 'an exit');
  const rowShape = { input: trainable.input, classes, inputScale };
  const sessions = createSessions(threads);
  const features = frozen && createFeatures(frozen, sessions, inputScale);

  async function rowsOf(
    parameters: Float32Array,
    { input, labels }: TrainingExamples,
  ): Promise<Result<ExampleRows>> {
    const fits = checkParameters(layout, parameters);
    if (!fits.ok) return fits;
    const read = features ? await features(input) : ok(input);
    return read.ok ? readExamples({ input: read.value, labels }, rowShape) : read;
  }

  return {
    name: 'onnx',
    layout,
    async train(parameters, examples, task, signal) {
      const checked = checkTask(layout, task);
      if (!checked.ok) return checked;
      const rows = await rowsOf(parameters, examples);
      if (!rows.ok) return rows;
      const options = optionsOf(task, parameters);
      const kind = stepKindOf(options);
      const session = await sessions.open(`steps ${Object.values(kind)}`, () =>
        encodeModel(createStepLoop(trainable, kind)),
      );
      if (!session.ok) return session;
      const initial = Float32Array.from(parameters);
      const sgd = startSgd(session.value, trainable, initial, options);
      return takeSteps(sgd, trainable, rows.value, task, parameters, signal);
    },
    async gradient(parameters, examples) {
      const rows = await rowsOf(parameters, examples);
      if (!rows.ok) return rows;
      const session = await sessions.open('gradient', () =>
        encodeModel(createGradientGraph(trainable)),
      );
      return session.ok ? sumGradients(session.value, trainable, rows.value, parameters) : session;
    },
    async evaluate(parameters, examples) {
      const rows = await rowsOf(parameters, examples);
      if (!rows.ok) return rows;
      const session = await sessions.open('forward', () =>
        encodeModel(createForwardGraph(trainable)),
      );
      return session.ok ? tallyUp(session.value, trainable, rows.value, parameters) : session;
    },
    close: sessions.close,
  };
}

/** FedProx and SCAFFOLD as what they add to a gradient: μ · w − (μ · w₀ − control). */
function optionsOf(task: TrainTask, parameters: Float32Array): SgdOptions {
  const { momentum, weightDecay, proximalMu = 0, control } = task;
  const offset =
    proximalMu > 0 || control !== undefined
      ? Float32Array.from(parameters, (w, i) => proximalMu * w - (control?.[i] ?? 0))
      : undefined;
  return { momentum, weightDecay, pull: proximalMu, offset };
}

async function takeSteps(
  sgd: Pick<Sgd, 'run' | 'parameters'>,
  { exits }: Trainable,
  rows: ExampleRows,
  task: TrainTask,
  parameters: Float32Array,
  signal: AbortSignal | undefined,
): Promise<Result<Trained>> {
  const plan = planSteps(rows.count, task);
  const losses: number[] = [];
  for (const batches of runsOf(plan)) {
    if (signal?.aborted) break;
    const ran = await sgd.run({
      ...rows.gather(batches.flatMap((batch) => [...batch])),
      rows: batches.map(({ length }) => length),
      learningRates: batches.map(() => task.learningRate),
      temperature: task.temperature ?? 1,
    });
    if (!ran.ok) return ran;
    for (const each of ran.value)
      losses.push(each.reduce((sum, loss, i) => sum + loss * (exits[i]?.lossWeight ?? 1), 0));
    if (losses.some((loss) => !Number.isFinite(loss)))
      return err(failure('runtime_failed', `training diverged within ${losses.length} steps`));
  }
  const trained = sgd.parameters();
  return ok({
    delta: trained.map((w, i) => w - (parameters[i] as number)),
    examples: rows.count,
    steps: losses.length,
    completed: losses.length / plan.asked,
    loss: losses.reduce((sum, loss) => sum + loss, 0) / Math.max(1, losses.length),
    losses: Float64Array.from(losses),
  });
}

function* runsOf({ steps }: StepPlan): Generator<readonly Uint32Array[]> {
  let run: Uint32Array[] = [];
  let rows = 0;
  for (const step of steps) {
    if (run.length === stepsPerRunMax || (run.length > 0 && rows + step.length > rowsPerRunMax)) {
      yield run;
      run = [];
      rows = 0;
    }
    run.push(step);
    rows += step.length;
  }
  if (run.length > 0) yield run;
}

async function sumGradients(
  session: Session,
  trainable: Trainable,
  rows: ExampleRows,
  parameters: Float32Array,
): Promise<Result<BatchGradient>> {
  const size = layoutSize(layoutOf(trainable));
  const sum = new Float64Array(size);
  let loss = 0;
  for (const part of passesOf(rows.count)) {
    const { examples, targets } = rows.gather(part);
    const ran = await session.run({
      [stepInputs.parameters]: float32([size], Float32Array.from(parameters)),
      [stepInputs.examples]: float32([part.length, ...trainable.input], examples),
      [stepInputs.targets]: float32([part.length, rows.classes], targets),
      [stepInputs.temperature]: float32([], Float32Array.of(1)),
    });
    if (!ran.ok) return ran;
    const gradient = floatsOf(ran.value[stepOutputs.parameters]);
    const share = part.length / rows.count;
    for (let i = 0; i < size; i++) sum[i] = (sum[i] as number) + share * (gradient[i] as number);
    for (const [i, each] of floatsOf(ran.value[stepOutputs.losses]).entries())
      loss += share * (trainable.exits[i]?.lossWeight ?? 1) * each;
  }
  return ok({ gradient: Float32Array.from(sum), loss });
}

async function tallyUp(
  session: Session,
  { input, exits }: Trainable,
  rows: ExampleRows,
  parameters: Float32Array,
): Promise<Result<Evaluation>> {
  const tally = createTally(
    rows.classes,
    exits.map(({ lossWeight }) => lossWeight),
  );
  for (const part of passesOf(rows.count)) {
    const { examples, targets } = rows.gather(part);
    const ran = await session.run({
      [stepInputs.parameters]: float32([parameters.length], Float32Array.from(parameters)),
      [stepInputs.examples]: float32([part.length, ...input], examples),
    });
    if (!ran.ok) return ran;
    const logits = exits.map((_, i) => floatsOf(ran.value[logitsName(i + 1)]));
    tally.add(logits, targets);
  }
  return ok(tally.total());
}

interface Sessions {
  open(name: string, model: () => Uint8Array): Promise<Result<Session>>;
  close(): Promise<void>;
}

/** One of each name, made once. */
function createSessions(threads: number): Sessions {
  const opened = new Map<string, Promise<Result<Session>>>();
  return {
    open(name, model) {
      const had = opened.get(name);
      if (had !== undefined) return had;
      const session = createOrtSession(ort, model(), 'cpu', { threads, arena: true });
      opened.set(name, session);
      return session;
    },
    async close() {
      for (const session of opened.values()) {
        const done = await session;
        if (done.ok) await done.value.close();
      }
      opened.clear();
    },
  };
}

/** Features of examples, held for as long as the caller holds the examples. */
function createFeatures({ model, features }: FrozenPart, sessions: Sessions, scale: number) {
  const known = new WeakMap<Tensor, Tensor>();
  return async (input: Tensor): Promise<Result<Tensor>> => {
    const had = known.get(input);
    if (had) return ok(had);
    const session = await sessions.open('frozen', () => model);
    if (!session.ok) return session;
    const fed = defined(session.value.inputs[0], 'an input');
    const takesFloats = fed.datatype === 'FP32' && input.datatype === 'UINT8';
    const parts: Tensor[] = [];
    for (const part of batchesOf(input, rowsPerPass)) {
      const rows = takesFloats ? scaled(part, scale) : part;
      const ran = await session.value.run({ [fed.name]: rows });
      if (!ran.ok) return ran;
      parts.push(defined(ran.value[features], features));
    }
    const all = concatRows(parts);
    known.set(input, all);
    return ok(all);
  };
}

const scaled = ({ shape, data }: Tensor, scale: number): Tensor =>
  float32(
    shape,
    Float32Array.from(data as Uint8Array, (byte) => byte * scale),
  );
