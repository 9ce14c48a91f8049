// The trainer on TensorFlow.js: a layers model and the library's own automatic differentiation. A training has a model of
// its own, so that several may go on at once.

import { defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import type * as Core from '@tensorflow/tfjs-core';
import type { Network } from '../network.ts';
import { trainableOf } from '../network-trainable.ts';
import { planSteps } from '../plan-steps.ts';
import { createTally } from '../tally.ts';
import { layoutOf } from '../trainable.ts';
import {
  type BatchGradient,
  checkParameters,
  checkTask,
  type Evaluation,
  type Trained,
  type Trainer,
  type TrainingExamples,
  type TrainTask,
} from '../trainer.ts';
import {
  type ExampleRows,
  type GatheredRows,
  passesOf,
  readExamples,
} from '../training-batches.ts';
import { createLayersModel, type LayersModel } from './layers-model.ts';
import type { Tfjs } from './open-tfjs.ts';

export interface TfjsTrainerOptions {
  /** What a byte of UINT8 examples is multiplied by; 1/255 where it is not said. */
  readonly inputScale?: number;
}

/** Steps between two looks at the signal, and at whatever else waits for the thread. */
const stepsPerTurn = 8;

export function createTfjsTrainer(
  tfjs: Tfjs,
  network: Network,
  { inputScale = 1 / 255 }: TfjsTrainerOptions = {},
): Trainer {
  const trainable = trainableOf(network);
  const layout = layoutOf(trainable);
  const { classes } = defined(trainable.exits.at(-1), 'an exit');
  const rowShape = { input: trainable.input, classes, inputScale };
  const isBias = layout.tensors.map(({ shape }) => shape.length === 1);
  const lossWeights = trainable.exits.map(({ lossWeight }) => lossWeight);
  const setting = { tfjs, network, isBias, lossWeights };

  /** With a model that holds `parameters`. A foreign error becomes a Failure here. */
  async function withModel<T>(
    parameters: Float32Array,
    examples: TrainingExamples,
    act: (run: Run) => Promise<Result<T>> | Result<T>,
  ): Promise<Result<T>> {
    const fits = checkParameters(layout, parameters);
    if (!fits.ok) return fits;
    const rows = readExamples(examples, rowShape);
    if (!rows.ok) return rows;
    const model = createLayersModel(tfjs, network);
    try {
      model.setWeights(parameters);
      return await act({ ...setting, model, rows: rows.value, parameters });
    } catch (thrown) {
      return err(failure('runtime_failed', messageOf(thrown)));
    } finally {
      model.dispose();
    }
  }

  return {
    name: 'tfjs',
    layout,
    async train(parameters, examples, task, signal) {
      const checked = checkTask(layout, task);
      if (!checked.ok) return checked;
      return withModel(parameters, examples, (run) => takeSteps(run, task, signal));
    },
    gradient: (parameters, examples) => withModel(parameters, examples, sumGradients),
    evaluate: (parameters, examples) => withModel(parameters, examples, tallyUp),
    close: () => Promise.resolve(),
  };
}

interface Run {
  readonly tfjs: Tfjs;
  readonly network: Network;
  readonly isBias: readonly boolean[];
  readonly lossWeights: readonly number[];
  readonly model: LayersModel;
  readonly rows: ExampleRows;
  readonly parameters: Float32Array;
}

async function takeSteps(
  run: Run,
  task: TrainTask,
  signal: AbortSignal | undefined,
): Promise<Result<Trained>> {
  const { model, rows, parameters } = run;
  const plan = planSteps(rows.count, task);
  const sgd = createSteps(run, task);
  const losses: number[] = [];
  try {
    for (const step of plan.steps) {
      if (losses.length % stepsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted) break;
      losses.push(sgd.step(rows.gather(step)));
      if (!Number.isFinite(losses.at(-1)))
        return err(failure('runtime_failed', `training diverged within ${losses.length} steps`));
    }
    const trained = model.weights();
    return ok({
      delta: trained.map((w, i) => w - (parameters[i] as number)),
      examples: rows.count,
      steps: losses.length,
      completed: losses.length / plan.asked,
      loss: losses.reduce((sum, loss) => sum + loss, 0) / Math.max(1, losses.length),
      losses: Float64Array.from(losses),
    });
  } finally {
    sgd.dispose();
  }
}

/** m ← momentum · m + gradient + μ · (w − w₀) + decay · w + control; w ← w − learning rate · m. */
function createSteps(run: Run, task: TrainTask) {
  const { tfjs, model, isBias } = run;
  const { core: tf } = tfjs;
  const { momentum = 0, weightDecay = 0, proximalMu = 0, control, learningRate } = task;
  const anchor = proximalMu > 0 ? model.variables.map((weight) => weight.clone()) : undefined;
  const shift = control ? model.tensorsOf(control) : undefined;
  let velocity: readonly Core.Tensor[] | undefined;
  return {
    /** Gives the batch's loss before it. */
    step(batch: GatheredRows): number {
      const { loss, gradients } = lossAndGradients(run, batch, task.temperature ?? 1);
      const next = model.variables.map((weight, i) => {
        const moved = tf.tidy(() => {
          let sum = defined(gradients[i], 'a gradient');
          if (anchor?.[i]) sum = tf.add(sum, tf.mul(tf.sub(weight, anchor[i]), proximalMu));
          if (weightDecay > 0 && !isBias[i]) sum = tf.add(sum, tf.mul(weight, weightDecay));
          if (shift?.[i]) sum = tf.add(sum, shift[i]);
          if (velocity?.[i]) sum = tf.add(sum, tf.mul(velocity[i], momentum));
          return sum === gradients[i] ? sum.clone() : sum;
        });
        tf.tidy(() => weight.assign(tf.sub(weight, tf.mul(moved, learningRate))));
        return moved;
      });
      tf.dispose(gradients);
      if (velocity) tf.dispose([...velocity]);
      if (momentum === 0) tf.dispose(next);
      velocity = momentum > 0 ? next : undefined;
      return loss;
    },
    dispose(): void {
      for (const tensors of [anchor, shift, velocity]) if (tensors) tf.dispose([...tensors]);
    },
  };
}

/** The caller disposes the gradients: one a variable. */
function lossAndGradients(
  { tfjs, network, model, lossWeights }: Run,
  { examples, targets }: GatheredRows,
  temperature: number,
): { loss: number; gradients: Core.Tensor[] } {
  const { core: tf } = tfjs;
  const rows = examples.length / network.input.reduce((product, size) => product * size, 1);
  const [x, q] = [
    tf.tensor(examples, [rows, ...network.input]),
    tf.tensor(targets, [rows, targets.length / rows]),
  ];
  const { value, grads } = tf.variableGrads(
    () =>
      tf.tidy(() => {
        const losses = model.logits(x).map((logits, i) => {
          const likelihood = tf.mul(q, tf.logSoftmax(tf.div(logits, temperature)));
          const scale = (-(temperature ** 2) * (lossWeights[i] ?? 1)) / rows;
          return tf.mul(tf.sum(likelihood), scale);
        });
        return tf.addN(losses) as Core.Scalar;
      }),
    [...model.variables],
  );
  const loss = value.dataSync()[0] as number;
  tf.dispose([x, q, value]);
  const gradients = model.variables.map(({ name }) => defined(grads[name], name));
  return { loss, gradients };
}

function sumGradients(run: Run): Result<BatchGradient> {
  const { model, rows } = run;
  const sum = new Float64Array(run.parameters.length);
  let total = 0;
  for (const part of passesOf(rows.count)) {
    const { loss, gradients } = lossAndGradients(run, rows.gather(part), 1);
    const share = part.length / rows.count;
    total += share * loss;
    for (const [i, g] of model.vectorOf(gradients).entries())
      sum[i] = (sum[i] as number) + share * g;
    run.tfjs.core.dispose(gradients);
  }
  return ok({ gradient: Float32Array.from(sum), loss: total });
}

function tallyUp({ tfjs, network, model, rows, lossWeights }: Run): Result<Evaluation> {
  const { core: tf } = tfjs;
  const tally = createTally(rows.classes, lossWeights);
  for (const part of passesOf(rows.count)) {
    const { examples, targets } = rows.gather(part);
    const logits = tf.tidy(() =>
      model
        .logits(tf.tensor(examples, [part.length, ...network.input]))
        .map((each) => each.dataSync() as Float32Array),
    );
    tally.add(logits, targets);
  }
  return ok(tally.total());
}
