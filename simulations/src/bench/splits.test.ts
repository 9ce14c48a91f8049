import type { Judged } from '@skerry/models/calibration';
import { createRandom } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { repeatSplits } from './splits.ts';

/** Right with the probability of its confidence, which is uniform in 0.5…1. */
function drawPool(size: number): Judged[] {
  const random = createRandom(7);
  return Array.from({ length: size }, () => {
    const confidence = 0.5 + random.next() / 2;
    return { index: 0, confidence, loss: Number(random.next() > confidence) };
  });
}

const options = { splits: 200, examples: 400, epsilon: 0.05, delta: 0.1, binary: true };

describe('the splits', () => {
  it('show each method’s share of broken promises, and what it escalates for it', () => {
    const found = repeatSplits(drawPool(6000), options);
    const ltt = found['learn-then-test'];
    // Two standard deviations of 200 draws above δ.
    expect(ltt.exceededShare).toBeLessThanOrEqual(options.delta + 0.042);
    expect(ltt.exceededOfAllShare).toBeLessThanOrEqual(options.delta + 0.042);
    expect(found.quantile.exceededOfAllShare).toBeGreaterThan(0.4);
    expect(found.quantile.exceededShare).toBeGreaterThan(0.4);
    expect(found['conformal-risk-control'].riskMean).toBeLessThanOrEqual(options.epsilon);
    expect(ltt.escalatedMean).toBeGreaterThan(found.quantile.escalatedMean);
  });

  it('escalate everything, at no risk, where the examples are too few', () => {
    const found = repeatSplits(drawPool(200), { ...options, splits: 5, examples: 30 });
    expect(found['learn-then-test']).toEqual({
      exceededShare: 0,
      exceededOfAllShare: 0,
      riskMean: 0,
      escalatedMean: 1,
    });
  });
});
