import { createRandom, shuffle } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { towards, updateOf } from '../../testing/sample-update.ts';
import { createStrategy } from './create-strategy.ts';
import type { ClientUpdate, StrategyState } from './strategy.ts';
import { type StrategyOptionsInput, strategyOptionsSchema } from './strategy-options.ts';

const strategyOf = (options: StrategyOptionsInput) =>
  createStrategy(strategyOptionsSchema.parse(options));
const aggregate = (
  options: StrategyOptionsInput,
  from: readonly number[],
  updates: readonly ClientUpdate[],
) => {
  const strategy = strategyOf(options);
  return unwrap(strategy.aggregateTrain(strategy.initialize(Float32Array.from(from)), updates));
};

describe('FedAvg', () => {
  it('[AGG3] of equal models is that model, whatever their weights', () => {
    const model = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    const from = model.map(() => 0.25);
    const { state } = aggregate({ name: 'fedavg' }, from, [
      towards('a', from, model, { examples: 1 }),
      towards('b', from, model, { examples: 2 }),
    ]);
    expect([...state.parameters]).toEqual(model);
  });

  it('[AGG3] weighs by examples, and counts a claim only up to its bound', () => {
    const updates = [
      updateOf('a', [1], { examples: 1 }),
      updateOf('b', [3], { examples: 3 }),
      updateOf('c', [0], { examples: 4_000 }),
    ];
    const { state, report } = aggregate({ name: 'fedavg', examplesMax: 4 }, [0], updates);
    expect(state.parameters[0]).toBe(1.25);
    expect(report.clients.map(({ weight }) => weight)).toEqual([0.125, 0.375, 0.5]);
    expect(report.examples).toBe(4_004);
    const uniform = aggregate({ name: 'fedavg', weighting: 'uniform' }, [0], updates);
    expect(uniform.state.parameters[0]).toBeCloseTo(4 / 3, 6);
  });

  it('[AGG3] the mean of three models', () => {
    const from = [0, 0, 0, 0, 0, 0];
    const { state } = aggregate({ name: 'fedavg' }, from, [
      updateOf('a', [1, 2, 3, -1, -5, 6]),
      updateOf('b', [2, 3, 7, 1, -10, 5]),
      updateOf('c', [3, 1, 5, 3, -15, 19]),
    ]);
    expect([...state.parameters]).toEqual([2, 2, 5, 1, -10, 10]);
  });

  it('[AGG3] with momentum, the first round is the mean', () => {
    const { state } = aggregate(
      { name: 'fedavgm' },
      [0],
      [updateOf('a', [1], { examples: 1 }), updateOf('b', [3], { examples: 2 })],
    );
    expect(state.parameters[0]).toBeCloseTo(7 / 3, 6);
  });

  it('[AGG3] FedAdagrad of two clients', () => {
    const options = {
      name: 'fedadagrad',
      serverLearningRate: 0.1,
      tau: 0.5,
      secondMomentStart: 'zero',
    } as const;
    const { state } = aggregate(
      options,
      [0.1],
      [towards('a', [0.1], [0.2], { examples: 5 }), towards('b', [0.1], [1], { examples: 5 })],
    );
    expect(state.parameters[0]).toBeCloseTo(0.15, 7);
  });

  it.each([
    ['the paper’s', {}, [0.19802019, 0.329159313, 0.477032026, 0.626063318]],
    [
      'Kingma’s',
      { biasCorrection: 'kingma', secondMomentStart: 'zero' },
      [0.198039216, 0.295415842, 0.390635721, 0.481864615],
    ],
  ] as const)(
    '[AGG4] keeps its moments from round to round: four of FedAdam are %s',
    (_, form, expected) => {
      const strategy = strategyOf({ name: 'fedadam', serverLearningRate: 0.1, ...form });
      let state: StrategyState = strategy.initialize(Float32Array.of(0.1));
      const models = [];
      for (let round = 0; round < 4; round++) {
        const from = [...state.parameters];
        state = unwrap(strategy.aggregateTrain(state, [towards('a', from, [0.6])])).state;
        models.push(state.parameters[0]);
      }
      expect(state.round).toBe(4);
      for (const [i, x] of expected.entries()) expect(models[i]).toBeCloseTo(x, 6);
    },
  );

  it('[AGG3] goes on from the model of the state: there is no other copy that could drift from it', () => {
    for (const name of ['fedavgm', 'fedadam'] as const) {
      const strategy = strategyOf({ name });
      const first = unwrap(
        strategy.aggregateTrain(strategy.initialize(Float32Array.of(0)), [updateOf('a', [1])]),
      ).state;
      const edited = { ...first, parameters: Float32Array.of(100) };
      const [one, other] = [first, edited].map(
        (state) => unwrap(strategy.aggregateTrain(state, [updateOf('a', [1])])).state.parameters[0],
      );
      const moved = (one ?? 0) - (first.parameters[0] ?? 0);
      expect(other).toBeCloseTo(100 + moved, 4);
    }
  });

  it('[AGG3] tells clients of FedProx their μ, and those of others none', () => {
    const prox = strategyOf({ name: 'fedprox', proximalMu: 0.1 });
    expect(prox.configureTrain(prox.initialize(Float32Array.of(0))).proximalMu).toBe(0.1);
    const plain = strategyOf({ name: 'fedavg' });
    expect(plain.configureTrain(plain.initialize(Float32Array.of(0))).proximalMu).toBe(0);
  });

  it('[AGG3] keeps partial work, or drops it where one asks', () => {
    const updates = [updateOf('a', [2]), updateOf('b', [4], { completed: 0.4 })];
    expect(aggregate({ name: 'fedavg' }, [0], updates).state.parameters[0]).toBe(3);
    const { state, report } = aggregate({ name: 'fedavg', partialWork: 'drop' }, [0], updates);
    expect(state.parameters[0]).toBe(2);
    expect(report.clients).toContainEqual({ client: 'b', used: false, reason: 'partial' });
  });
});

describe('an aggregate', () => {
  const names = ['fedavg', 'fedavgm', 'fedadagrad', 'fedadam', 'fedyogi'] as const;

  it('[AGG1] is the same bytes whatever the order in which updates came', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.nat(), (name, seed) => {
        const random = createRandom(seed);
        const updates = Array.from({ length: 7 }, (_, i) =>
          updateOf(`client-${i}`, [random.gaussian(), 1e6 * random.gaussian(), 1e-6], {
            examples: 1 + random.below(600),
          }),
        );
        const mixed = shuffle(
          Int32Array.from(updates, (_, i) => i),
          random,
        );
        const one = aggregate({ name }, [0.5, 0.25, 1], updates);
        const other = aggregate(
          { name },
          [0.5, 0.25, 1],
          [...mixed].map((i) => updates[i] as ClientUpdate),
        );
        expect(other).toEqual(one);
      }),
      { numRuns: 50 },
    );
  });

  it('[AGG1] leaves the state that it was given as it was', () => {
    for (const name of names) {
      const strategy = strategyOf({ name });
      const before = strategy.initialize(Float32Array.of(1, 2));
      const copy = structuredClone(before);
      unwrap(strategy.aggregateTrain(before, [updateOf('a', [1, 1])]));
      expect(before).toEqual(copy);
    }
  });

  it('[AGG2] leaves out what cannot be added, says why, and goes on', () => {
    const { state, report } = aggregate(
      { name: 'fedavg' },
      [0],
      [
        updateOf('h', [Number.NEGATIVE_INFINITY]),
        updateOf('g', [Number.NaN]),
        updateOf('f', [9, 9]),
        updateOf('e', [9], { examples: 0 }),
        updateOf('d', [9], { examples: -5 }),
        updateOf('c', [9], { examples: 0.5 }),
        updateOf('b', [3]),
        updateOf('b', [9]),
        updateOf('a', [1]),
      ],
    );
    expect(state.parameters[0]).toBe(2);
    expect(Object.fromEntries(report.clients.map((c) => [c.client, c.reason ?? c.used]))).toEqual({
      a: true,
      b: 'repeated',
      c: 'no-examples',
      d: 'no-examples',
      e: 'no-examples',
      f: 'wrong-size',
      g: 'not-finite',
      h: 'not-finite',
    });
  });

  it('[AGG2] of nothing, and of nothing that can be added, is refused', () => {
    const strategy = strategyOf({ name: 'fedavg' });
    const state = strategy.initialize(Float32Array.of(1));
    for (const updates of [[], [updateOf('a', [1], { examples: 0 })]])
      expect(strategy.aggregateTrain(state, updates)).toMatchObject({
        ok: false,
        error: { code: 'unavailable' },
      });
  });

  it('[AGG2] that would not be finite is refused', () => {
    const strategy = strategyOf({ name: 'fedavg', serverLearningRate: 10 });
    const state = strategy.initialize(Float32Array.of(3e38));
    expect(strategy.aggregateTrain(state, [updateOf('a', [3e38])])).toMatchObject({
      ok: false,
      error: { code: 'runtime_failed' },
    });
  });

  it('[AGG3] reports the clients’ metrics by examples', () => {
    const { report } = aggregate(
      { name: 'fedavg' },
      [0],
      [
        updateOf('a', [1], { examples: 1, metrics: { loss: 2, odd: Number.NaN } }),
        updateOf('b', [1], { examples: 3, metrics: { loss: 1 } }),
      ],
    );
    expect(report.metrics).toEqual({ loss: 1.25 });
    expect(report.deltaNorm).toBe(1);
    expect(report.stepNorm).toBe(1);
  });
});
