import { createRandom } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { type Compression, decodeUpdate, encodeUpdate } from '@skerry/sync-protocol/learn';
import { describe, expect, it } from 'vitest';
import { sampleRunPlan } from '../../testing/run-turns.ts';
import { norm } from '../strategies/vectors.ts';
import { normMaxOf } from './norm-max.ts';
import type { RunPlanInput } from './run-plan.ts';

const size = 400;
const layout = { tensors: [{ name: 'a', shape: [size] }] };
const maxOf = (more: Partial<RunPlanInput>) => normMaxOf(sampleRunPlan(more), size) ?? Number.NaN;

/** The longest of many updates that were clipped to 1, as the coordinator reads them. */
function longestOf(compression: Compression, noise = 0): number {
  const random = createRandom(3);
  const draw = () => Float32Array.from({ length: size }, () => random.gaussian());
  const lengths = Array.from({ length: 50 }, () => {
    const raw = draw();
    const length = norm(raw);
    const own = draw().map((value, i) => noise * value + (raw[i] ?? 0) / length);
    const { bytes } = unwrap(encodeUpdate(layout, compression, own, { random }));
    return norm(unwrap(decodeUpdate(layout, compression, bytes)));
  });
  return Math.max(...lengths);
}

describe('the longest update of a plan', () => {
  it('[RND9] [AGG13] is the clip, or what the plan says, and else nothing', () => {
    expect(maxOf({ work: { clipNorm: 2 } })).toBe(2);
    expect(maxOf({ work: { clipNorm: 2 }, screen: { normMax: 5 } })).toBe(5);
    expect(maxOf({})).toBeNaN();
    const kept = { kind: 'top-k', share: 0.1, errorFeedback: false } as const;
    expect(maxOf({ work: { clipNorm: 2, compression: kept } })).toBe(2);
    const share = 0.75;
    const later = { kind: 'top-k', share, errorFeedback: true } as const;
    expect(maxOf({ work: { clipNorm: 2, compression: later } })).toBe(4);
  });

  it('[RND9] [AGG13] has room for the noise and the compression that come after the clip', () => {
    const none = { kind: 'none' } as const;
    const noised = longestOf(none, 0.5);
    expect(noised).toBeGreaterThan(5);
    expect(noised).toBeLessThan(maxOf({ work: { clipNorm: 1, localNoise: 0.5 } }));
    expect(maxOf({ work: { clipNorm: 1, localNoise: 0.5 } })).toBeLessThan(2 * noised);
    for (const bits of [2, 4, 8] as const) {
      const compression = { kind: 'quantize', bits } as const;
      const longest = longestOf(compression);
      if (bits === 2) expect(longest).toBeGreaterThan(1.5);
      expect(longest).toBeLessThan(maxOf({ work: { clipNorm: 1, compression } }));
    }
  });
});
