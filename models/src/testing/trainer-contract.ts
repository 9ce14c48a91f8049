// What every Trainer must do, whatever computes its gradients: judged by training as it is defined, in doubles.

import { createRandom } from '@skerry/shared';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Tensor } from '../tensor.ts';
import { conv } from '../training/layers/conv.ts';
import { dense } from '../training/layers/dense.ts';
import { flatten } from '../training/layers/flatten.ts';
import { sizeOf } from '../training/layers/layer.ts';
import { maxPool } from '../training/layers/max-pool.ts';
import { relu } from '../training/layers/relu.ts';
import { type Network, parametersOf } from '../training/network.ts';
import { planSteps } from '../training/plan-steps.ts';
import type { Trained, Trainer, TrainTask } from '../training/trainer.ts';
import { drawAllWeights, referenceOf } from './reference-training.ts';

/** Every kind of layer; a stride that leaves rows unreached, ragged pooling, a neck, unequal loss weights. */
export const contractNetwork: Network = {
  input: [2, 12, 12],
  segments: [
    {
      name: 'one',
      lossWeight: 0.7,
      trunk: [conv({ channels: 2, kernel: 3, stride: 2, padding: 1 }), relu()],
      head: [flatten(), dense(4)],
      neck: [conv({ channels: 2, kernel: 1 }), relu()],
    },
    {
      name: 'two',
      lossWeight: 1.3,
      trunk: [conv({ channels: 3, kernel: 3, stride: 2, padding: 1 }), maxPool(2), relu()],
      head: [flatten(), dense(5), relu(), dense(4)],
      neck: [],
    },
  ],
};

const count = 7;
const classes = 4;
const exampleSize = sizeOf(contractNetwork.input);
const tolerance = 1e-4;

export function trainerContract(
  name: string,
  createTrainer: (network: Network) => Trainer | Promise<Trainer>,
): void {
  const random = createRandom(5);
  const input: Tensor = {
    datatype: 'FP32',
    shape: [count, ...contractNetwork.input],
    data: Float32Array.from({ length: count * exampleSize }, () => random.gaussian()),
  };
  const labels = Uint8Array.from({ length: count }, (_, i) => (3 * i) % classes);
  const hard = Float64Array.from({ length: count * classes }, (_, i) =>
    labels[Math.floor(i / classes)] === i % classes ? 1 : 0,
  );
  const all = Uint8Array.from({ length: count }, (_, i) => i);
  const weights = drawAllWeights(contractNetwork, 3);
  const initial = Float32Array.from(weights);
  const reference = referenceOf(contractNetwork, {
    input: input.data as Float32Array,
    targets: hard,
  });
  const examples = { input, labels };
  const task: TrainTask = { epochs: 1, batch: 3, learningRate: 0.05, seed: 9 };

  const fresh = async (): Promise<Trainer> => {
    const trainer = await createTrainer(contractNetwork);
    onTestFinished(() => trainer.close());
    return trainer;
  };
  const train = async (change: Partial<TrainTask> = {}, given = examples): Promise<Trained> => {
    const trained = await (await fresh()).train(initial, given, { ...task, ...change });
    if (!trained.ok) throw new Error(trained.error.message);
    return trained.value;
  };

  /** The same steps, by definition. */
  function trainByDefinition(change: Partial<TrainTask>, from = reference) {
    const told = { ...task, ...change };
    const { momentum = 0, weightDecay = 0, proximalMu = 0, control, temperature } = told;
    const isBias = parametersOf(contractNetwork).flatMap(({ shape }) =>
      new Array<boolean>(sizeOf(shape)).fill(shape.length === 1),
    );
    let w = weights.slice();
    const velocity = new Float64Array(w.length);
    const losses: number[] = [];
    for (const rows of planSteps(count, told).steps) {
      losses.push(from.loss(w, rows, temperature));
      const gradient = from.gradient(w, rows, temperature);
      w = w.map((value, i) => {
        const drift =
          proximalMu * (value - (weights[i] as number)) +
          (control?.[i] ?? 0) +
          (isBias[i] ? 0 : weightDecay * value);
        velocity[i] = momentum * (velocity[i] as number) + (gradient[i] as number) + drift;
        return value - told.learningRate * (velocity[i] as number);
      });
    }
    return { losses, delta: w.map((value, i) => value - (weights[i] as number)) };
  }

  const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>): void => {
    expect(actual.length).toBe(expected.length);
    const off = Array.from(actual, (value, i) => Math.abs(value - (expected[i] as number)));
    // NaN is no number to be less than anything.
    expect(off.every((difference) => difference < tolerance) ? 0 : Math.max(...off)).toBe(0);
  };
  const control = Float32Array.from({ length: weights.length }, () => 0.1 * random.gaussian());

  describe(`${name}: a Trainer`, () => {
    it('holds weights in the order of the network’s parameters', async () => {
      const { layout } = await fresh();
      expect(layout.tensors).toEqual(
        parametersOf(contractNetwork).map(({ name, shape }) => ({ name, shape })),
      );
    });

    it('has the gradient that central differences have, of every weight', async () => {
      const got = await (await fresh()).gradient(initial, examples);
      expect(got.ok && got.value.loss).toBeCloseTo(reference.loss(weights, all), 4);
      expectClose(got.ok ? got.value.gradient : [], reference.gradient(weights, all));
    });

    it.each<[string, Partial<TrainTask>]>([
      ['plain steps, the last batch of an epoch smaller', { epochs: 2 }],
      ['all examples in one batch', { batch: Number.POSITIVE_INFINITY, epochs: 2 }],
      [
        'momentum, over more steps than cross into a runtime at once',
        { momentum: 0.9, batch: 1, epochs: 5, learningRate: 0.01 },
      ],
      ['weight decay', { weightDecay: 0.1 }],
      ['a proximal term', { proximalMu: 0.5 }],
      ['control variates', { control }],
      ['all of them', { momentum: 0.5, weightDecay: 0.1, proximalMu: 0.5, control }],
    ])('learns as is defined: %s', async (_, change) => {
      const got = await train(change);
      const { losses, delta } = trainByDefinition(change);
      expectClose(got.losses, losses);
      expectClose(got.delta, delta);
      expect(got).toMatchObject({ examples: count, steps: losses.length, completed: 1 });
      expect(got.loss).toBeCloseTo(losses.reduce((sum, l) => sum + l, 0) / losses.length, 4);
    });

    it('learns from distributions, softened by a temperature', async () => {
      const soft = Float32Array.from(hard, (p) => 0.1 + 0.6 * p);
      const taught = referenceOf(contractNetwork, {
        input: input.data as Float32Array,
        targets: soft,
      });
      const given: Tensor = { datatype: 'FP32', shape: [count, classes], data: soft };
      const trainer = await fresh();
      const told = { ...task, temperature: 3 };
      const got = await trainer.train(initial, { input, labels: given }, told);
      const { losses, delta } = trainByDefinition({ temperature: 3 }, taught);
      expectClose(got.ok ? got.value.losses : [], losses);
      expectClose(got.ok ? got.value.delta : [], delta);
    });

    it('ends early where it is told to, and says how much is done', async () => {
      const part = await train({ epochs: 4, stepsMax: 3 });
      const whole = await train();
      expect(part).toMatchObject({ steps: 3, completed: 0.25, delta: whole.delta });
      const signal = AbortSignal.abort();
      const aborted = await (await fresh()).train(initial, examples, task, signal);
      const nothing = { steps: 0, completed: 0, loss: 0, delta: new Float32Array(weights.length) };
      expect(aborted).toMatchObject({ value: nothing });
    });

    it('learns the same from the same seed, whatever it did before, and otherwise from another', async () => {
      const trainer = await fresh();
      const deltaOf = async (seed: number) => {
        const got = await trainer.train(initial, examples, { ...task, epochs: 15, seed });
        return got.ok && got.value.delta;
      };
      const first = await deltaOf(1);
      expect(await deltaOf(2)).not.toEqual(first);
      expect(await deltaOf(1)).toEqual(first);
      expect(initial).toEqual(Float32Array.from(weights));
    });

    it('says how good weights are, in all and by label', async () => {
      const got = await (await fresh()).evaluate(initial, examples);
      const right = (row: number): boolean => {
        const last = [...(reference.logits(weights, row).at(-1) ?? [])];
        return last.indexOf(Math.max(...last)) === labels[row];
      };
      const of = (rows: readonly number[]) => ({
        examples: rows.length,
        correct: rows.filter(right).length,
      });
      const rows = [...all];
      expect(got).toMatchObject({
        value: {
          examples: count,
          accuracy: of(rows).correct / count,
          labels: [0, 1, 2, 3].map((label) => of(rows.filter((row) => labels[row] === label))),
        },
      });
      expect(got.ok && got.value.loss).toBeCloseTo(reference.loss(weights, all), 4);
    });

    it('takes part in several trainings at once', async () => {
      const trainer = await fresh();
      const told = [1, 2, 3].map((seed) => ({ ...task, epochs: 4, seed }));
      const once = [];
      for (const each of told) once.push(await trainer.train(initial, examples, each));
      const together = told.map((each) => trainer.train(initial, examples, each));
      expect(await Promise.all(together)).toEqual(once);
    });

    it('takes bytes, scaled to [0, 1]', async () => {
      const bytes = Uint8Array.from(input.data as Float32Array, (_, i) => (i * 37) % 256);
      const trainer = await fresh();
      const asBytes = { input: { ...input, datatype: 'UINT8', data: bytes } as const, labels };
      const asFloats = {
        input: { ...input, data: Float32Array.from(bytes, (b) => b / 255) },
        labels,
      };
      const [one, other] = [
        await trainer.gradient(initial, asBytes),
        await trainer.gradient(initial, asFloats),
      ];
      expectClose(one.ok ? one.value.gradient : [], other.ok ? other.value.gradient : [1]);
    });

    it.each<[string, Partial<TrainTask>]>([
      ['no epoch', { epochs: 0 }],
      ['a batch of none', { batch: 0 }],
      ['a rate that is no number', { learningRate: Number.NaN }],
      ['a control of another model', { control: control.slice(1) }],
    ])('refuses %s', async (_, change) => {
      const got = await (await fresh()).train(initial, examples, { ...task, ...change });
      expect(got).toMatchObject({ error: { code: 'invalid_argument' } });
    });

    it('refuses examples and weights that are not of the model, and none', async () => {
      const trainer = await fresh();
      const none = {
        input: { ...input, shape: [0, exampleSize], data: new Float32Array() },
        labels: [],
      };
      const large = { input: { ...input, shape: [1, count * exampleSize] }, labels: [0] };
      const refused = { error: { code: 'invalid_argument' } };
      for (const given of [
        none,
        large,
        { input, labels: [1] },
        { input, labels: labels.map(() => 4) },
      ])
        expect(await trainer.train(initial, given, task)).toMatchObject(refused);
      expect(await trainer.train(initial.slice(1), examples, task)).toMatchObject(refused);
      expect(await trainer.gradient(initial.slice(1), examples)).toMatchObject(refused);
      expect(await trainer.evaluate(initial.slice(1), examples)).toMatchObject(refused);
    });

    it('gives no weights where training diverges', async () => {
      const got = await (await fresh()).train(initial, examples, {
        ...task,
        learningRate: 1e20,
        epochs: 20,
      });
      expect(got).toMatchObject({ error: { code: 'runtime_failed' } });
    });
  });
}
