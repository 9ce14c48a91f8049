import { createRandom } from '@skerry/shared';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { updateOf } from '../testing/sample-update.ts';
import { checkUpdate, screenLimitsSchema, screenUpdates } from './screen-update.ts';

const limits = screenLimitsSchema.parse({});
const size = 200;

/** Clients that agree in part: a common direction, and a noise of their own as long as it. */
function honest(count: number, seed = 1, noise = 1): number[][] {
  const random = createRandom(seed);
  const common = Array.from({ length: size }, () => random.gaussian());
  return Array.from({ length: count }, () =>
    common.map((value) => 0.01 * (value + noise * random.gaussian())),
  );
}
const updatesOf = (rows: readonly (readonly number[])[], losses: readonly number[] = []) =>
  rows.map((row, i) =>
    updateOf(`c${i}`, row, { metrics: losses[i] === undefined ? {} : { loss: losses[i] } }),
  );
const reasonsOf = (rows: readonly (readonly number[])[], more = {}, losses: number[] = []) =>
  screenUpdates(updatesOf(rows, losses), size, screenLimitsSchema.parse(more)).map(
    ({ reason }) => reason ?? 'sound',
  );
const times = (row: readonly number[] | undefined, factor: number) =>
  (row ?? []).map((value) => factor * value);

describe('screening', () => {
  it('[AGG13] lets honest clients pass, though their data differ', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(0.1, 1, 3), (seed, noise) => {
        expect(new Set(reasonsOf(honest(12, seed, noise)))).toEqual(new Set(['sound']));
      }),
      { numRuns: 30 },
    );
  });

  it('[AGG13] quarantines what is broken, what is far too long, and what points the other way', () => {
    const rows = honest(9);
    const [one, two, three, four] = rows;
    const sent = [
      ...rows,
      times(one, -10),
      times(two, -1),
      times(three, 50),
      times(four, 4),
      times(one, Number.NaN),
      [1, 2, 3],
    ];
    const reasons = reasonsOf(sent, { cosineMin: -0.5 });
    expect(reasons.slice(9)).toEqual([
      'norm-above-cohort',
      'against-cohort',
      'norm-above-cohort',
      'sound',
      'not-finite',
      'wrong-size',
    ]);
    expect(new Set(reasons.slice(0, 9))).toEqual(new Set(['sound']));
    // Where nobody asks for it, direction keeps nobody out: not even the one that is exactly against the rest.
    expect(reasonsOf(sent)[10]).toBe('sound');
    const against = Array.from({ length: 8 }, (_, i) => times(one, i === 0 ? -1 : 1));
    expect(new Set(reasonsOf(against))).toEqual(new Set(['sound']));
  });

  it('[AGG13] scores how near each is to a limit', () => {
    const rows = honest(9);
    const scored = screenUpdates(
      updatesOf([...rows, times(rows[0], -1)]),
      size,
      screenLimitsSchema.parse({ cosineMin: -0.5 }),
    );
    const liar = scored.at(-1);
    expect(liar).toMatchObject({ client: 'c9', reason: 'against-cohort' });
    expect(liar?.cosine).toBeLessThan(-0.6);
    expect(liar?.anomaly).toBeCloseTo((1 - (liar?.cosine ?? 0)) / 1.5, 12);
    expect(liar?.normRatio).toBeGreaterThan(0.5);
    for (const { anomaly, cosine, normRatio } of scored.slice(0, 9)) {
      expect(anomaly).toBeLessThan(0.6);
      expect(cosine).toBeGreaterThan(0.4);
      expect(normRatio).toBeCloseTo(1, 0);
    }
  });

  it('[AGG13] holds an update against the others, and not against itself', () => {
    const apart = Array.from({ length: 5 }, (_, i) =>
      Array.from({ length: size }, (__, k) => (k === i ? 2 : 0)),
    );
    const scored = screenUpdates(updatesOf(apart), size, limits);
    expect(scored.map(({ cosine }) => cosine)).toEqual([0, 0, 0, 0, 0]);
    const two = [...apart.slice(0, 4), apart[0] ?? []];
    const [first, second] = screenUpdates(updatesOf(two), size, limits);
    // Of the four others one is the same, and three are at right angles.
    expect(first?.cosine).toBeCloseTo(1 / 2, 12);
    expect(second?.cosine).toBe(0);
  });

  it('[AGG13] holds a loss against the cohort’s, where most tell one', () => {
    const rows = honest(8);
    const losses = [1, 1.2, 0.9, 1, 1.1, 1, 0.8, 30];
    expect(reasonsOf(rows, {}, losses).at(-1)).toBe('loss-above-cohort');
    expect(reasonsOf(rows, { lossRatioMax: 50 }, losses).at(-1)).toBe('sound');
    expect(reasonsOf(rows.slice(0, 5), {}, [30, 1])).toEqual(Array(5).fill('sound'));
    expect(reasonsOf(rows, {}, [...losses.slice(0, 7), Number.NaN]).at(-1)).toBe('sound');
  });

  it('[AGG13] holds nobody against too few, nor against those who did not move', () => {
    const rows = honest(3);
    expect(reasonsOf([...rows, times(rows[0], -10)])).toEqual(Array(4).fill('sound'));
    const still = Array.from({ length: 6 }, () => times(rows[0], 0));
    expect(reasonsOf([...still, rows[0] ?? []])).toEqual(Array(7).fill('sound'));
  });

  it('[AGG13] bounds the norm of each by itself, with room for float32', () => {
    const delta = Float32Array.of(3, 4);
    expect(checkUpdate(delta, { size: 2 })).toEqual({ ok: true, value: { norm: 5 } });
    expect(checkUpdate(delta, { size: 2, normMax: 4.9999 })).toMatchObject({ ok: true });
    for (const [bad, bounds] of [
      [delta, { size: 3 }],
      [delta, { size: 2, normMax: 4.9 }],
      [Float32Array.of(1, Number.NaN), { size: 2 }],
      [Float32Array.of(1, Number.POSITIVE_INFINITY), { size: 2 }],
    ] as const)
      expect(checkUpdate(bad, bounds)).toMatchObject({ error: { code: 'invalid_argument' } });
    const long = honest(1).map((row) => times(row, 1_000));
    expect(reasonsOf(long, { normMax: 1 })).toEqual(['norm-above-bound']);
  });

  it('[AGG13] holds what moves a control variate to a bound of its own, and to the cohort', () => {
    const rows = honest(8);
    const withControls = (lengths: readonly number[]) =>
      rows.map((row, i) =>
        updateOf(`c${i}`, row, {
          control: Float32Array.from({ length: size }, (_, k) => (k === i ? (lengths[i] ?? 1) : 0)),
        }),
      );
    const reasons = (lengths: readonly number[], more = {}) =>
      screenUpdates(withControls(lengths), size, screenLimitsSchema.parse(more)).map(
        ({ reason }) => reason ?? 'sound',
      );
    expect(new Set(reasons([1, 2, 3, 4]))).toEqual(new Set(['sound']));
    expect(reasons([1e6]).slice(0, 2)).toEqual(['control-above-cohort', 'sound']);
    expect(reasons([4], { controlNormMax: 3 }).slice(0, 2)).toEqual([
      'control-above-bound',
      'sound',
    ]);
    expect(reasons([Number.NaN])[0]).toBe('not-finite');
    const short = screenUpdates(
      [updateOf('c', rows[0] ?? [], { control: Float32Array.of(1) })],
      size,
      limits,
    );
    expect(short[0]?.reason).toBe('wrong-size');
  });
});
