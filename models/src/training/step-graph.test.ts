import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../tensor.ts';
import { conv } from './layers/conv.ts';
import { dense } from './layers/dense.ts';
import { flatten } from './layers/flatten.ts';
import { sizeOf } from './layers/layer.ts';
import { maxPool } from './layers/max-pool.ts';
import { relu } from './layers/relu.ts';
import { type Network, parametersOf } from './network.ts';
import { createTrainer } from './trainer.ts';
import type { Weights } from './weights.ts';

/** Every kind of layer; a stride that leaves rows unreached, ragged pooling, a neck, unequal loss weights. */
const network: Network = {
  input: [2, 10, 10],
  segments: [
    {
      name: 'one',
      lossWeight: 0.7,
      trunk: [conv({ channels: 3, kernel: 3, stride: 2, padding: 1 }), relu()],
      head: [flatten(), dense(4)],
      neck: [conv({ channels: 2, kernel: 1 }), relu()],
    },
    {
      name: 'two',
      lossWeight: 1.3,
      trunk: [conv({ channels: 4, kernel: 2, padding: 0 }), relu(), maxPool(2)],
      head: [flatten(), dense(5), relu(), dense(4)],
      neck: [],
    },
  ],
};

const batch = 3;
/** Absolute; the gradients themselves are of the order 0.1 to 1. */
const gradientTolerance = 5e-3;
const random = createRandom(5);
const floats = (shape: readonly number[]): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from({ length: sizeOf(shape) }, () => random.gaussian()),
});
const examples = {
  images: floats([batch, ...network.input]),
  labels: { datatype: 'INT64', shape: [batch], data: BigInt64Array.of(0n, 3n, 1n) } as const,
};

async function step(weights: Weights, learningRate: number, weightDecay = 0) {
  const options = { batch, momentum: 0, weightDecay, threads: 1 };
  const trainer = await createTrainer(network, weights, options);
  const losses = await trainer.step(examples, learningRate);
  const updated = trainer.weights();
  await trainer.close();
  const [first = 0, second = 0] = losses;
  return { loss: 0.7 * first + 1.3 * second, updated };
}

/** `weights` with `change` added to one of them. */
function nudged(weights: Weights, name: string, index: number, change: number): Weights {
  const copy = new Map(weights);
  const data = (weights.get(name) as Float32Array<ArrayBuffer>).slice();
  data[index] = (data[index] as number) + change;
  return copy.set(name, data);
}

describe('step graph', () => {
  // Biases too are drawn: at a bias of exactly 0, where a trunk's features are all 0, ReLU stands on its kink.
  const initial: Weights = new Map(
    parametersOf(network).map(({ name, shape }) => [
      name,
      Float32Array.from({ length: sizeOf(shape) }, () => 0.3 * random.gaussian()),
    ]),
  );

  it.each(parametersOf(network).map(({ name, shape }) => [name, sizeOf(shape)] as const))(
    'has the gradient by %s that central differences have',
    async (name, size) => {
      // With rate 1, no momentum and no decay, a step moves a weight by exactly its gradient.
      const { updated } = await step(initial, 1);
      for (let sample = 0; sample < 4; sample++) {
        const index = random.below(size);
        const before = initial.get(name)?.[index] as number;
        const gradient = before - (updated.get(name)?.[index] as number);
        // FP32 losses carry some 1e-6 of noise, over 2h about 2e-3; a larger h would step over more kinks of ReLU and
        // of max-pooling, where the loss has no derivative.
        const h = 3e-4;
        const above = await step(nudged(initial, name, index, h), 0);
        const below = await step(nudged(initial, name, index, -h), 0);
        const difference = (above.loss - below.loss) / (2 * h);
        expect(Math.abs(gradient - difference)).toBeLessThan(gradientTolerance);
      }
    },
  );

  it('adds weight decay to weights and not to biases', async () => {
    const decayed = await step(initial, 1, 0.5);
    const plain = await step(initial, 1);
    const moved = (name: string): number =>
      (plain.updated.get(name)?.[0] as number) - (decayed.updated.get(name)?.[0] as number);
    expect(moved('one.trunk.0.weight')).toBeCloseTo(
      0.5 * (initial.get('one.trunk.0.weight')?.[0] as number),
      5,
    );
    expect(moved('one.trunk.0.bias')).toBe(0);
  });

  it('carries momentum from step to step', async () => {
    const options = { batch, momentum: 0.5, weightDecay: 0, threads: 1 };
    const trainer = await createTrainer(network, initial, options);
    const name = 'two.head.3.bias';
    await trainer.step(examples, 1);
    const first = trainer.weights().get(name)?.[0] as number;
    const gradient = (initial.get(name)?.[0] as number) - first;
    // A second step from the same weights would move by the gradient alone; here it also keeps half of the first.
    const again = await step(trainer.weights(), 1);
    await trainer.step(examples, 1);
    const second = trainer.weights().get(name)?.[0] as number;
    expect(second).toBeCloseTo((again.updated.get(name)?.[0] as number) - 0.5 * gradient, 5);
    await trainer.close();
  });
});
