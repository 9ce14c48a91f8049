import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { distanceBetween, embeddingOf, energyOf, isInDomain } from './domain.ts';
import { fitDomain } from './fit-domain.ts';
import { cutAt, logitsAt, type Observed } from './observed.ts';

const channels = 3;
const cutSize = 4;

/** Two classes: logits of 8 for the right one, a cut whose channel means are around (2, 0, 1) or (0, 2, 1). */
function draw(examples: number): Observed {
  const random = createRandom(5);
  const labels = Array.from({ length: examples }, (_, i) => i % 2);
  const logits = labels.flatMap((label) =>
    [0, 1].map((c) => (c === label ? 8 : 0) + random.gaussian()),
  );
  const values = labels.flatMap((label) =>
    [label === 0 ? 2 : 0, label === 0 ? 0 : 2, 1].flatMap((mean) =>
      Array.from({ length: cutSize }, () => mean + 0.3 * random.gaussian()),
    ),
  );
  const cut = {
    datatype: 'FP32' as const,
    shape: [examples, channels, 2, 2],
    data: Float32Array.from(values),
  };
  return { classes: 2, logits, labels, cut };
}

const observed = draw(1000);
const domain = fitDomain(observed, 1);
const inDomain = (index: number, logits: number[], means: number[]) =>
  isInDomain(domain, {
    logits,
    temperature: 1,
    index,
    cut: {
      datatype: 'FP32',
      shape: [1, channels, 2, 2],
      data: Float32Array.from(means.flatMap((mean) => new Array(cutSize).fill(mean))),
    },
  });

describe('the domain of an exit', () => {
  it('holds nearly all of what is like the examples it was fitted on', () => {
    const held = observed.labels.length;
    const kept = Array.from(observed.labels, (index, i) =>
      isInDomain(domain, {
        logits: logitsAt(observed, i),
        temperature: 1,
        index,
        cut: cutAt(observed, i),
      }),
    ).filter(Boolean).length;
    // Each score lets 99.5 % pass.
    expect(kept / held).toBeGreaterThanOrEqual(0.985);
    expect(kept / held).toBeLessThan(1);
  });

  it('does not hold an input whose logits say little, whatever its cut', () => {
    expect(inDomain(0, [8, 0], [2, 0, 1])).toBe(true);
    expect(inDomain(0, [1, 0], [2, 0, 1])).toBe(false);
  });

  it('does not hold a sure answer whose cut is of another class, or of none', () => {
    expect(inDomain(1, [0, 8], [2, 0, 1])).toBe(false);
    expect(inDomain(0, [8, 0], [2, 0, 5])).toBe(false);
    expect(inDomain(0, [30, 0], [0, 0, 0])).toBe(false);
  });

  it('does not hold what is not a number, or a cut that is missing', () => {
    expect(inDomain(0, [Number.NaN, 0], [2, 0, 1])).toBe(false);
    expect(inDomain(0, [8, 0], [Number.NaN, 0, 1])).toBe(false);
    expect(isInDomain(domain, { logits: [8, 0], temperature: 1, index: 0, cut: undefined })).toBe(
      false,
    );
  });

  it('is known by energy alone where a stage has no cut, or one of too many channels', () => {
    const { cut: _, ...alone } = observed;
    expect(fitDomain(alone, 1)).toEqual({ energyMax: domain.energyMax });
    const wide = { datatype: 'FP32' as const, shape: [1000, 65], data: new Float32Array(65_000) };
    expect(fitDomain({ ...alone, cut: wide }, 1)).toEqual({ energyMax: domain.energyMax });
  });

  it('has a mean only of classes that were seen often enough', () => {
    const one = fitDomain(
      {
        ...observed,
        classes: 3,
        logits: Array.from({ length: 1000 }, (_, i) => [
          ...Array.from(logitsAt(observed, i)),
          -9,
        ]).flat(),
      },
      1,
    );
    expect(one.distance?.means.map((mean) => mean?.length ?? null)).toEqual([3, 3, null]);
  });

  it('does not divide by a channel that never varies', () => {
    const still = { datatype: 'UINT8' as const, shape: [1000, 2], data: new Uint8Array(2000) };
    const { distance } = fitDomain({ ...observed, cut: still }, 1);
    expect(distance?.precision.every(Number.isFinite)).toBe(true);
  });
});

describe('its scores', () => {
  it('are the energy −T · log Σ exp(z / T), without overflow', () => {
    expect(energyOf([1, 2], 1)).toBeCloseTo(-Math.log(Math.E + Math.E ** 2), 12);
    expect(energyOf([2000, 2000], 2)).toBeCloseTo(-2000 - 2 * Math.log(2), 9);
  });

  it('are the squared Mahalanobis distance of channel means', () => {
    const cut = { datatype: 'UINT8' as const, shape: [1, 2, 2], data: Uint8Array.of(1, 3, 10, 20) };
    expect([...embeddingOf(cut)]).toEqual([2, 15]);
    // (1, 2) with [[2, 1], [1, 3]]: 2 + 2 · 2 + 3 · 4.
    expect(distanceBetween(Float64Array.of(2, 4), [1, 2], [2, 1, 1, 3])).toBe(18);
  });
});
