import { createRandom, shuffle } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../../testing/sample-update.ts';
import { createStrategy } from './create-strategy.ts';
import { stalenessWeight } from './fedbuff.ts';
import type { ClientUpdate, StrategyState } from './strategy.ts';
import { type StrategyOptionsInput, strategyOptionsSchema } from './strategy-options.ts';
import { weightedSum } from './vectors.ts';

const strategyOf = (options: Omit<Extract<StrategyOptionsInput, { name: 'fedbuff' }>, 'name'>) =>
  createStrategy(strategyOptionsSchema.parse({ name: 'fedbuff', ...options }));

/** One after the other, as they would come. */
function take(
  strategy: ReturnType<typeof strategyOf>,
  updates: readonly ClientUpdate[],
  size = 1,
): { state: StrategyState; changed: readonly boolean[] } {
  let state = strategy.initialize(new Float32Array(size));
  const changed = updates.map((update) => {
    const aggregated = unwrap(strategy.aggregateTrain(state, [update]));
    state = aggregated.state;
    return aggregated.report.changed;
  });
  return { state, changed };
}
const ones = (count: number, more = {}) =>
  Array.from({ length: count }, (_, i) => updateOf(`c${i}`, [1], more));

describe('FedBuff', () => {
  it('[AGG9] weighs by staleness as in the paper, a fresh update whole', () => {
    for (const [staleness, weight] of [
      [0, 1],
      [1, Math.SQRT1_2],
      [3, 0.5],
      [8, 0.3333],
    ] as const)
      expect(stalenessWeight(staleness)).toBeCloseTo(weight, 4);
    // 1/(1 + √s) with s from 1 halves what is fresh: 0.5, 0.4142, 0.3333, 0.25, as NVFlare has it.
    expect(stalenessWeight(1)).not.toBeCloseTo(Math.SQRT2 - 1, 1);
    const { state } = take(strategyOf({ bufferSize: 2 }), [
      updateOf('a', [1]),
      updateOf('b', [1], { staleness: 3 }),
    ]);
    // K divides, not the sum of the weights.
    expect(state.parameters[0]).toBe(0.75);
  });

  it('[AGG9] makes a model when K have come, and at no other time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 0, max: 30 }), (k, count) => {
        const { state, changed } = take(strategyOf({ bufferSize: k }), ones(count));
        expect(changed).toEqual(changed.map((_, i) => (i + 1) % k === 0));
        expect(state.round).toBe(Math.floor(count / k));
        expect(state.parameters[0]).toBe(Math.floor(count / k));
        expect(state.slots['buffered']?.[0]).toBe(count % k);
        expect(state.slots['buffer']?.[0]).toBe(count % k);
      }),
    );
  });

  it('[AGG9] a buffer of N is N updates by themselves, each by 1/N', () => {
    const random = createRandom(4);
    const updates = Array.from({ length: 6 }, (_, i) =>
      updateOf(`c${i}`, [random.gaussian(), random.gaussian()], { staleness: i }),
    );
    const one = take(strategyOf({ bufferSize: 6 }), updates, 2).state;
    const server = { kind: 'sgd', learningRate: 1 / 6 } as const;
    const other = take(strategyOf({ bufferSize: 1, server }), updates, 2).state;
    for (const i of [0, 1]) expect(other.parameters[i]).toBeCloseTo(one.parameters[i] ?? 0, 6);
    expect([one.round, other.round]).toEqual([1, 6]);
  });

  it('[AGG9] does not depend on the order within a buffer', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = createRandom(seed);
        const updates = Array.from({ length: 8 }, (_, i) =>
          updateOf(`c${i}`, [random.gaussian()], { staleness: random.below(9) }),
        );
        const order = shuffle(Int32Array.from(updates.keys()), random);
        const mixed = [...order].map((i) => updates[i] as ClientUpdate);
        const [one, other] = [updates, mixed].map((each) =>
          take(strategyOf({ bufferSize: 8 }), each),
        );
        expect(other?.state.parameters[0]).toBeCloseTo(one?.state.parameters[0] ?? 0, 6);
        // Those that come together are taken in the order of clients: to the bit.
        const strategy = strategyOf({ bufferSize: 3 });
        const start = strategy.initialize(Float32Array.of(0));
        expect(strategy.aggregateTrain(start, mixed)).toEqual(
          strategy.aggregateTrain(start, updates),
        );
      }),
    );
  });

  it('[AGG9] what has no weight changes nothing, and weights of 1 to 10 on ones are 55', () => {
    const rows = Array.from({ length: 10 }, () => Float64Array.of(1));
    const weights = rows.map((_, i) => i + 1);
    expect(weightedSum(rows, weights)[0]).toBe(55);
    expect(weightedSum([...rows, Float64Array.of(Number.NaN)], [...weights, 0])[0]).toBe(55);
    // As near to none as an old update comes.
    const { state } = take(strategyOf({ bufferSize: 1, stalenessExponent: 10 }), [
      updateOf('a', [1], { staleness: 99 }),
    ]);
    expect(state.parameters[0]).toBeCloseTo(0, 12);
  });

  it('[AGG9] takes a client twice, and refuses what is too old', () => {
    const strategy = strategyOf({ bufferSize: 2, stalenessMax: 5 });
    const start = strategy.initialize(Float32Array.of(0));
    const { state, report } = unwrap(
      strategy.aggregateTrain(start, [
        updateOf('a', [1]),
        updateOf('a', [3]),
        updateOf('b', [9], { staleness: 6 }),
        updateOf('c', [9], { staleness: -1 }),
        updateOf('d', [9], { staleness: Number.NaN }),
      ]),
    );
    expect(state.parameters[0]).toBe(2);
    expect(report.clients.map(({ reason }) => reason)).toEqual([
      undefined,
      undefined,
      'too-stale',
      'too-stale',
      'too-stale',
    ]);
  });

  it('[AGG9] may be stepped by a server optimizer, whose state goes with the models', () => {
    const strategy = strategyOf({
      bufferSize: 2,
      server: { kind: 'momentum', learningRate: 0.5, momentum: 0.9 },
    });
    const { state } = take(strategy, ones(4));
    expect(state.parameters[0]).toBeCloseTo(0.5 * (1 + 1.9), 6);
    expect(state.slots['momentum']?.[0]).toBeCloseTo(1.9, 9);
  });
});
