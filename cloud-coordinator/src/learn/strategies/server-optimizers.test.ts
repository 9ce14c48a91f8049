import { describe, expect, it } from 'vitest';
import { createServerOptimizer, type ServerOptimizerOptions } from './server-optimizers.ts';

/** The model after each of `rounds` steps, where `deltaOf` says what the clients would add to it. In float64. */
function walk(
  options: ServerOptimizerOptions,
  start: number,
  deltaOf: (x: number) => number,
  { rounds = 4, firstT = 1 } = {},
): number[] {
  const optimizer = createServerOptimizer(options);
  let x = start;
  let slots = optimizer.initialize(1);
  return Array.from({ length: rounds }, (_, i) => {
    const next = optimizer.apply([deltaOf(x)] as unknown as Float64Array, slots, firstT + i);
    slots = next.slots;
    x += next.step[0] as number;
    return x;
  });
}
const expectWalk = (walked: readonly number[], expected: readonly number[], digits = 8): void => {
  expect(walked).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(walked[i]).toBeCloseTo(value, digits);
};

describe('a server optimizer', () => {
  // x₀ = 0.1, the clients' mean is 0.6 in each round.
  const towards = (x: number): number => 0.6 - x;
  const adaptive = { beta1: 0.9, beta2: 0.99, tau: 1e-3, biasCorrection: 'none' } as const;
  const adam = { ...adaptive, kind: 'adam', learningRate: 0.1 } as const;
  const yogi = { ...adaptive, kind: 'yogi', learningRate: 0.01 } as const;
  const [zero, tauSquared] = [
    { secondMomentStart: 'zero' },
    { secondMomentStart: 'tau-squared' },
  ] as const;

  it.each<[string, ServerOptimizerOptions, number[]]>([
    [
      'Adagrad, v₀ = 0',
      {
        kind: 'adagrad',
        learningRate: 0.1,
        beta1: 0,
        tau: 0.5,
        biasCorrection: 'none',
        ...zero,
      },
      [0.15, 0.188373601, 0.220316563, 0.247924503],
    ],
    ['Adam, v₀ = 0', { ...adam, ...zero }, [0.198039216, 0.32919329, 0.477078615, 0.626118005]],
    [
      'Adam of the paper, v₀ = τ²',
      { ...adam, ...tauSquared },
      [0.19802019, 0.329159313, 0.477032026, 0.626063318],
    ],
    [
      'Adam with Kingma’s correction',
      { ...adam, ...zero, biasCorrection: 'kingma' },
      [0.198039216, 0.295415842, 0.390635721, 0.481864615],
    ],
    ['Yogi, v₀ = 0', { ...yogi, ...zero }, [0.109803922, 0.123042229, 0.138477415, 0.155428499]],
    [
      'Yogi of the paper, v₀ = τ²',
      { ...yogi, ...tauSquared },
      [0.109802, 0.123038978, 0.138473107, 0.1554233],
    ],
  ])('[AGG4] %s', (_, options, expected) => {
    expectWalk(walk(options, 0.1, towards), expected);
  });

  it('[AGG4] a correction whose t is one too large is Flower’s, whose first step is a quarter short', () => {
    const options = { ...adam, ...zero, biasCorrection: 'kingma' } as const;
    expectWalk(
      walk(options, 0.1, towards, { firstT: 2 }),
      [0.172790175, 0.256583317, 0.344086544, 0.431706672],
    );
  });

  it('[AGG4] FedAvgM towards 6 from 0', () => {
    const options = {
      kind: 'momentum',
      learningRate: 0.5,
      momentum: 0.9,
      nesterov: false,
    } as const;
    expectWalk(
      walk(options, 0, (x) => 6 - x),
      [3, 7.2, 10.38, 11.052],
    );
  });

  // TensorFlow Federated's own tests of its optimizers: w = 1 and a gradient of 2 in each step; a gradient is −Δ.
  const plain = { tau: 0, secondMomentStart: 'zero' } as const;
  const momentum = { kind: 'momentum', learningRate: 0.01, momentum: 0.5 } as const;
  const slow = { ...plain, learningRate: 0.1, beta1: 0.9, beta2: 0.999 } as const;
  it.each<[string, ServerOptimizerOptions, number[]]>([
    ['SGD', { kind: 'sgd', learningRate: 0.01 }, [0.98, 0.96, 0.94, 0.92]],
    ['momentum', { ...momentum, nesterov: false }, [0.98, 0.95, 0.915, 0.8775]],
    ['Nesterov', { ...momentum, nesterov: true }, [0.97, 0.935, 0.8975, 0.85875]],
    [
      'Adagrad',
      { ...plain, kind: 'adagrad', learningRate: 0.01, beta1: 0, biasCorrection: 'none' },
      [0.99, 0.9829289, 0.9771554, 0.9721554],
    ],
    ['Adam', { ...slow, kind: 'adam', biasCorrection: 'kingma' }, [0.9, 0.8, 0.7, 0.6]],
    [
      'Yogi',
      { ...slow, kind: 'yogi', biasCorrection: 'kingma' },
      [0.9000007, 0.8000267, 0.700077, 0.600153],
    ],
  ])('[AGG4] %s as in TensorFlow Federated', (_, options, expected) => {
    expectWalk(
      walk(options, 1, () => -2),
      expected,
      // Theirs are float32.
      5,
    );
  });

  it('[AGG4] leaves a coordinate that nothing has moved where it is, also with τ = 0', () => {
    const options = { ...slow, kind: 'adam', biasCorrection: 'none' } as const;
    expect(walk(options, 1, () => 0)).toEqual([1, 1, 1, 1]);
  });
});
