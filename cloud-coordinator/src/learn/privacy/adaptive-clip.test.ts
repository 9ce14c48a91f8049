import { createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { adaptClip, splitNoise } from './adaptive-clip.ts';

describe('the adaptive clip', () => {
  const rule = { quantile: 0.5, learningRate: 0.2, countNoise: 5 };

  it('[PRV9] comes to the median of the norms from below and from above', () => {
    const random = createRandom(1);
    const norms = Array.from({ length: 1_000 }, () => Math.exp(0.5 * random.gaussian()));
    for (const initial of [0.1, 3]) {
      let clip = initial;
      for (let round = 0; round < 60; round++)
        clip = adaptClip(clip, rule, norms.filter((norm) => norm <= clip).length / norms.length);
      expect(Math.abs(clip - 1)).toBeLessThan(0.05);
    }
  });

  it('[PRV9] falls when all are within it, and rises when none is', () => {
    expect(adaptClip(1, rule, 1)).toBeCloseTo(Math.exp(-0.1), 12);
    expect(adaptClip(1, rule, 0)).toBeCloseTo(Math.exp(0.1), 12);
    expect(adaptClip(1, rule, 0.5)).toBe(1);
  });

  it('[PRV9] splits the noise so that sum and count together cost what was said', () => {
    const noise = unwrap(splitNoise(0.7, 3));
    expect(noise ** -2 + (2 * 3) ** -2).toBeCloseTo(0.7 ** -2, 12);
    for (const count of [0.5, 0.1, 0, -1, Number.NaN]) expect(splitNoise(1, count).ok).toBe(false);
    expect(splitNoise(0, 1).ok).toBe(false);
  });
});
