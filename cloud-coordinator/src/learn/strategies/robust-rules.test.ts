import { createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../../testing/sample-update.ts';
import { centredClip, clientHistoriesMax, geometricMedian } from './central-rules.ts';
import { coordinateMedian, meanOfClosest, trimCount, trimmedMean } from './coordinate-rules.ts';
import { createStrategy } from './create-strategy.ts';
import { bulyanMean, bulyanSelection, byScore, krumScores, squaredDistances } from './krum.ts';
import type { ClientUpdate } from './strategy.ts';
import { type StrategyOptionsInput, strategyOptionsSchema } from './strategy-options.ts';
import { mean, weightedSum } from './vectors.ts';

const vectors = (...rows: readonly (readonly number[])[]) =>
  rows.map((row) => Float64Array.from(row));
const scalars = (...values: readonly number[]) => vectors(...values.map((value) => [value]));
const expectVector = (vector: ArrayLike<number>, expected: readonly number[], digits = 6) => {
  expect(vector).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(vector[i]).toBeCloseTo(value, digits);
};
const strategyOf = (options: StrategyOptionsInput) =>
  createStrategy(strategyOptionsSchema.parse(options));
const aggregate = (options: StrategyOptionsInput, updates: readonly ClientUpdate[]) => {
  const strategy = strategyOf(options);
  const size = updates[0]?.delta.length ?? 0;
  return unwrap(strategy.aggregateTrain(strategy.initialize(new Float32Array(size)), updates));
};
const crowd = (...rows: readonly (readonly number[])[]) =>
  rows.map((row, i) => updateOf(`client-${i}`, row));

// Five honest ones and two far away.
const seven = [
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
  [0.5, 0.4],
  [10, 10],
  [10.1, 10],
] as const;

describe('rules by coordinate', () => {
  it('[AGG6] the median', () => {
    expectVector(coordinateMedian(scalars(0.2, 1, 0.5)), [0.5]);
    expectVector(aggregate({ name: 'median' }, crowd(...seven)).state.parameters, [1, 1]);
  });

  it('[AGG6] the trimmed mean', () => {
    const rows = vectors(
      [0.5, 0.5, 0.5, 0.5],
      [1, 0.2, 0.5, 1],
      [0.2, 0.5, 1, 0.2],
      [0.5, 1, 0.2, 0.5],
    );
    expectVector(trimmedMean(rows, trimCount(4, 0.25)), [0.5, 0.5, 0.5, 0.5]);
    expectVector(trimmedMean(scalars(0.5, 1, 2, 100), 1), [1.5]);
    const trimmed = aggregate({ name: 'trimmed-mean', trimShare: 2 / 7 }, crowd(...seven));
    expectVector(trimmed.state.parameters, [0.833333, 0.8]);
  });

  it('[AGG6] cuts off as many as were asked for, also where a product is a hair too small', () => {
    expect(100 * 0.29).toBeLessThan(29);
    expect(trimCount(100, 0.29)).toBe(29);
    expect(trimCount(20, 0.2)).toBe(4);
  });

  it('[AGG6] the values nearest to another', () => {
    expect(meanOfClosest([0.5, 1, 2] as unknown as Float64Array, 1, 2)).toBe(0.75);
    expect(meanOfClosest([-0.5, 1, 10] as unknown as Float64Array, 0, 1)).toBe(-0.5);
  });
});

describe('Krum and Bulyan', () => {
  it('[AGG6] scores of seven, of whom two may lie', () => {
    const scores = krumScores(squaredDistances(vectors(...seven)), 7 - 2 - 2);
    expectVector(scores, [2.41, 2.41, 2.61, 2.61, 1.43, 343.01, 346.63], 9);
    const krum = aggregate({ name: 'krum', byzantine: 2 }, crowd(...seven));
    expectVector(krum.state.parameters, [0.5, 0.4]);
    expect(krum.report.clients.filter(({ used }) => used).map(({ client }) => client)).toEqual([
      'client-4',
    ]);
    expectVector(
      krum.report.clients.map(({ score = 0 }) => score),
      scores,
      4,
    );
    const multi = aggregate({ name: 'multi-krum', byzantine: 2 }, crowd(...seven));
    expectVector(multi.state.parameters, [0.5, 0.48]);
    expect(multi.report.clients.slice(5)).toMatchObject([
      { used: false, reason: 'not-chosen' },
      { used: false, reason: 'not-chosen' },
    ]);
  });

  it('[AGG6] three with one neighbour each, which Flower lets pass as Krum', () => {
    const chosen = (...values: number[]) =>
      byScore(krumScores(squaredDistances(scalars(...values)), 1));
    expect(chosen(0.2, 0.7, 1)[0]).toBe(1);
    const rows = scalars(0.2, 0.5, 1);
    const two = chosen(0.2, 0.5, 1).slice(0, 2);
    expectVector(mean(two.map((i) => rows[i] as Float64Array)), [0.35]);
  });

  it('[AGG6] Bulyan', () => {
    const honest = crowd([0.2], [0.5], [0.7], [12], [0.1], [0.1]);
    const all = aggregate({ name: 'bulyan', byzantine: 0 }, honest);
    expectVector(all.state.parameters, [13.6 / 6]);
    const rows = scalars(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 50);
    const selected = bulyanSelection(squaredDistances(rows), 1);
    expectVector(
      selected.map((i) => rows[i]?.[0] as number),
      [0.4, 0.3, 0.5, 0.1, 0.2],
    );
    expectVector(
      bulyanMean(
        selected.map((i) => rows[i] as Float64Array),
        1,
      ),
      [0.3],
    );
    const one = aggregate({ name: 'bulyan', byzantine: 1 }, crowd(...rows.map((row) => [...row])));
    expectVector(one.state.parameters, [0.3]);
  });

  it('[AGG7] refuse fewer clients than they hold against', () => {
    const few = (name: 'krum' | 'multi-krum' | 'bulyan', byzantine: number, clients: number) => {
      const strategy = strategyOf({ name, byzantine });
      const updates = Array.from({ length: clients }, (_, i) => updateOf(`c${i}`, [i]));
      const result = strategy.aggregateTrain(strategy.initialize(Float32Array.of(0)), updates);
      return result.ok ? 'ok' : result.error.code;
    };
    for (const name of ['krum', 'multi-krum'] as const) {
      expect(few(name, 1, 4)).toBe('unavailable');
      expect(few(name, 1, 5)).toBe('ok');
      expect(few(name, 4, 10)).toBe('unavailable');
      expect(few(name, 4, 11)).toBe('ok');
    }
    expect(few('bulyan', 1, 6)).toBe('unavailable');
    expect(few('bulyan', 1, 7)).toBe('ok');
    expect(few('bulyan', 2, 10)).toBe('unavailable');
    expect(few('bulyan', 2, 11)).toBe('ok');
  });

  it('[AGG7] refuse as soon as what can be added is too little', () => {
    const strategy = strategyOf({ name: 'krum', byzantine: 1 });
    const updates = [...crowd([1], [2], [3], [4]), updateOf('z', [Number.NaN])];
    const result = strategy.aggregateTrain(strategy.initialize(Float32Array.of(0)), updates);
    expect(result).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    if (!result.ok) expect(result.error.message).toContain('z: not-finite');
  });
});

describe('rules of a centre', () => {
  it('[AGG6] the geometric median', () => {
    const { state } = aggregate({ name: 'geometric-median' }, crowd(...seven));
    expectVector(state.parameters, [0.804747, 0.774443], 5);
    const exact = geometricMedian(vectors(...seven), {
      iterationsMax: 1_000,
      tolerance: 1e-12,
      smoothing: 1e-9,
    });
    expectVector(exact.centre, [0.804747, 0.774443], 6);
  });

  it('[AGG6] the geometric median of equal ones, and of most equal ones, is theirs', () => {
    for (const rows of [
      [[2], [2], [2]],
      [[2], [2], [2], [1e30]],
    ]) {
      const { state, report } = aggregate({ name: 'geometric-median' }, crowd(...rows));
      expectVector(state.parameters, [2]);
      expect(report.clients.every(({ weight }) => Number.isFinite(weight))).toBe(true);
    }
  });

  it('[AGG6] centred clipping goes far from the mean, and not from the median', () => {
    const rows = scalars(1, 1, 100);
    expectVector(centredClip(rows, [34] as unknown as Float64Array, 1, 10), [30.666667]);
    expectVector(centredClip(rows, [1] as unknown as Float64Array, 1, 10), [1.49999], 5);
    const options = { name: 'centred-clipping', radius: 1, iterations: 10 } as const;
    const median = aggregate({ ...options, start: 'median' }, crowd([1], [1], [100]));
    expectVector(median.state.parameters, [1.49999], 5);
  });

  it('[AGG6] centred clipping begins where the last round ended, and each client has its momentum', () => {
    const strategy = strategyOf({ name: 'centred-clipping', radius: 1e5, momentum: 0.5 });
    const both = (value: number) => crowd([value], [value], [value]);
    const first = unwrap(strategy.aggregateTrain(strategy.initialize(Float32Array.of(0)), both(2)));
    expectVector(first.state.parameters, [1]);
    const second = unwrap(strategy.aggregateTrain(first.state, both(4)));
    expectVector(second.state.parameters, [1 + 2.5]);
    expectVector(second.state.slots['centre'] ?? [], [2.5]);
  });

  it('[AGG6] centred clipping keeps momenta for so many clients and says who had no room', () => {
    const strategy = strategyOf({ name: 'centred-clipping', radius: 1, momentum: 0.9 });
    const updates = Array.from({ length: clientHistoriesMax + 1 }, (_, i) =>
      updateOf(`client-${String(i).padStart(3, '0')}`, [1]),
    );
    const { report } = unwrap(
      strategy.aggregateTrain(strategy.initialize(Float32Array.of(0)), updates),
    );
    expect(report.clients.filter(({ used }) => !used)).toEqual([
      { client: updates.at(-1)?.client, used: false, reason: 'no-room-for-history' },
    ]);
  });

  it('[AGG6] clipping to a norm: of 1, 3 and 5 at 2 two are cut, and no update is no division by 0', () => {
    const { state, report } = aggregate(
      { name: 'norm-clipping', bound: 2 },
      crowd([1], [3], [5], [0]),
    );
    expectVector(state.parameters, [5 / 4]);
    expect(report.clients.filter(({ weight = 0 }) => weight < 1 / 4)).toHaveLength(2);
    // Weighted 1, 2, 1 what is cut to 1, 2 and 2 makes 7/4.
    const cut = report.clients.slice(0, 3).map(({ weight = 0 }, i) => 4 * weight * (2 * i + 1));
    expect(weightedSum(scalars(...cut), [1 / 4, 2 / 4, 1 / 4])[0]).toBeCloseTo(7 / 4, 12);
    // At the median of the norms, 3.
    const median = aggregate({ name: 'norm-clipping' }, crowd([1], [3], [-500]));
    expectVector(median.state.parameters, [1 / 3]);
  });
});

describe('robust rules', () => {
  const robust: readonly StrategyOptionsInput[] = [
    { name: 'median' },
    { name: 'trimmed-mean', trimShare: 0.3 },
    { name: 'krum', byzantine: 2 },
    { name: 'multi-krum', byzantine: 2 },
    { name: 'bulyan', byzantine: 2 },
    { name: 'geometric-median' },
    { name: 'centred-clipping', radius: 3 },
    { name: 'centred-clipping' },
    { name: 'norm-clipping' },
  ];

  it.each(robust)(
    '[AGG6] $name does not look at what a client claims of its examples',
    (options) => {
      const random = createRandom(3);
      const rows = Array.from({ length: 11 }, () => [random.gaussian(), random.gaussian()]);
      const honest = rows.map((row, i) => updateOf(`c${i}`, row, { examples: 10 }));
      const boasting = honest.map((update, i) => (i < 2 ? { ...update, examples: 1e12 } : update));
      const [one, other] = [aggregate(options, honest), aggregate(options, boasting)];
      expect(other.state).toEqual(one.state);
    },
  );

  it.each(robust)('[AGG6] $name stays with the honest, whatever two of eleven send', (options) => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(-10, 1e3, -1e9, 1e30), (seed, lie) => {
        const random = createRandom(seed);
        const honest = Array.from({ length: 9 }, () =>
          Array.from({ length: 4 }, () => 1 + 0.1 * random.gaussian()),
        );
        const liars = [
          [lie, lie, lie, lie],
          [lie, lie, lie, lie],
        ];
        const { state } = aggregate(options, crowd(...liars, ...honest));
        // Clipping bounds how far two may pull; the others do not leave the crowd.
        const loose = options.name === 'norm-clipping' || options.name === 'centred-clipping';
        for (const value of state.parameters)
          expect(Math.abs(value - 1)).toBeLessThan(loose ? 1 : 0.4);
      }),
      { numRuns: 30 },
    );
    // The mean does not stay.
    const { state } = aggregate({ name: 'fedavg' }, crowd([-10], [-10], ...Array(9).fill([1])));
    expect(state.parameters[0]).toBeLessThan(-0.9);
  });

  it.each(robust)('[AGG1] $name is the same bytes whatever the order', (options) => {
    const random = createRandom(5);
    const updates = crowd(
      ...Array.from({ length: 11 }, () => [random.gaussian(), 1e5 * random.gaussian()]),
    );
    expect(aggregate(options, [...updates].reverse())).toEqual(aggregate(options, updates));
  });

  it('[AGG6] may be stepped by a server optimizer', () => {
    const server = { kind: 'adam', learningRate: 0.1, tau: 1e-3 } as const;
    const { state } = aggregate({ name: 'median', server }, crowd([0.5], [0.5], [0.5]));
    expectVector(state.parameters, [0.09802019]);
    expect(Object.keys(state.slots).sort()).toEqual(['momentum', 'secondMoment']);
  });
});
