import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSeededBytes } from '../testing/seeded-bytes.ts';
import { unwrap } from '../testing/unwrap.ts';
import { clipToGrid, clipToNorm, gridSteps, l2Norm } from './clip.ts';
import { addLocalNoise } from './local-noise.ts';

const finite = fc.float32Array({ noNaN: true, noDefaultInfinity: true, maxLength: 50 });
const clips = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
const one = (value: number): Float32Array => Float32Array.of(value);

describe('clipping', () => {
  it('[PRV7] shortens what is longer, keeps what is not, and counts which', () => {
    // TensorFlow Federated, test of its clipping: 1, 3 and 5 clipped to 2, added up, and weighted 1, 2, 1.
    const clipped = [1, 3, 5].map((x) => unwrap(clipToNorm(one(x), 2))[0] as number);
    expect(clipped.reduce((sum, x) => sum + x)).toBe(5);
    expect([1, 2, 1].reduce((sum, w, i) => sum + w * (clipped[i] as number), 0) / 4).toBe(7 / 4);
    expect([1, 3, 5].map((x) => unwrap(clipToGrid(one(x), 2)).within)).toEqual([
      true,
      false,
      false,
    ]);
    expect(unwrap(clipToNorm(Float32Array.of(3, 4), 1))).toEqual(Float32Array.of(0.6, 0.8));
  });

  it('[PRV7] of an update of noughts is noughts', () => {
    expect(unwrap(clipToNorm(new Float32Array(3), 1))).toEqual(new Float32Array(3));
    expect(unwrap(clipToGrid(new Float32Array(3), 1))).toEqual({
      steps: new Int32Array(3),
      within: true,
    });
  });

  it('[PRV7] refuses what is not finite before it measures it', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const clip of [clipToNorm, clipToGrid])
        expect(clip(Float32Array.of(1, bad), 1)).toMatchObject({
          error: { code: 'invalid_argument' },
        });
    // Float32's largest, whose square float32 does not hold.
    expect(unwrap(l2Norm(Float32Array.of(3e38, 0)))).toBeCloseTo(3e38, -32);
  });

  it('[PRV7] on the grid is never longer than the clip, in whole numbers', () => {
    fc.assert(
      fc.property(finite, clips, fc.constantFrom(1, 2 ** 10, gridSteps), (update, clip, steps) => {
        const grid = unwrap(clipToGrid(update, clip, steps)).steps;
        const squares = grid.reduce((sum, step) => sum + BigInt(step) ** 2n, 0n);
        expect(squares <= BigInt(steps) ** 2n).toBe(true);
      }),
    );
  });

  it('[PRV7] on the grid is the clipped update within a step', () => {
    fc.assert(
      fc.property(finite, clips, (update, clip) => {
        const grid = unwrap(clipToGrid(update, clip)).steps;
        const exact = unwrap(clipToNorm(update, clip));
        for (const [i, step] of grid.entries())
          expect(Math.abs((step * clip) / gridSteps - (exact[i] as number))).toBeLessThan(
            1.01 * (clip / gridSteps) + 1e-6 * clip,
          );
      }),
    );
  });
});

describe('local noise', () => {
  it('[PRV11] is in multiples of the clip, at three scales', () => {
    for (const [clipNorm, noiseMultiplier] of [
      [0.01, 0.5],
      [1, 4],
      [300, 20],
    ] as const) {
      const size = 100_000;
      const update = new Float32Array(size);
      const noised = unwrap(
        addLocalNoise(update, { clipNorm, noiseMultiplier }, createSeededBytes(9)),
      );
      const sigma = clipNorm * noiseMultiplier;
      const variance = noised.reduce((sum, x) => sum + x * x, 0) / size / sigma ** 2;
      expect(Math.abs(variance - 1)).toBeLessThan(6.5 * Math.sqrt(2 / size));
    }
  });

  it('[PRV7] is added to what was clipped, also the first time', () => {
    const [clipNorm, noiseMultiplier] = [1, 1e-6];
    const far = Float32Array.of(3_000, 4_000);
    const noised = unwrap(addLocalNoise(far, { clipNorm, noiseMultiplier }, createSeededBytes(1)));
    expect(noised[0]).toBeCloseTo(0.6, 4);
    expect(noised[1]).toBeCloseTo(0.8, 4);
  });

  it('[PRV8] refuses what it cannot draw, and what is not finite', () => {
    const bytes = createSeededBytes(1);
    expect(addLocalNoise(one(1), { clipNorm: 1, noiseMultiplier: 65 }, bytes).ok).toBe(false);
    expect(addLocalNoise(one(Number.NaN), { clipNorm: 1, noiseMultiplier: 1 }, bytes).ok).toBe(
      false,
    );
    expect(() => addLocalNoise(one(1), { clipNorm: 1, noiseMultiplier: 0 }, bytes)).toThrow();
  });
});
