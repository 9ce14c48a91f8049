import { describe, expect, it } from 'vitest';
import { addToHistogram, chooseRange, createHistogram, rangeMethods } from './choose-range.ts';

/** Most of them near 0, the 99th percentile at 4.6, and one value far away. */
const values = [...Array.from({ length: 100_000 }, (_, i) => -Math.log1p(-i / 100_000)), 64];

function histogramOf(numbers: readonly number[]) {
  const histogram = createHistogram({
    min: Math.min(0, ...numbers.slice(-100)),
    max: Math.max(...numbers.slice(-100)),
  });
  addToHistogram(histogram, numbers);
  return histogram;
}

describe('the range of an activation', () => {
  it('is all of it by min-max', () => {
    expect(chooseRange('min-max', histogramOf(values))).toEqual({ min: 0, max: 64 });
  });

  it.each(['percentile', 'entropy'] as const)('leaves one outlier out by %s', (method) => {
    const { min, max } = chooseRange(method, histogramOf(values));
    expect(min).toBe(0);
    expect(max).toBeGreaterThan(4.6);
    expect(max).toBeLessThan(16);
  });

  it('is not narrowed by zeros, however many', () => {
    const spread = histogramOf(values);
    const sparse = histogramOf(values);
    addToHistogram(sparse, new Float32Array(5_000_000));
    for (const method of rangeMethods)
      expect(chooseRange(method, sparse)).toEqual(chooseRange(method, spread));
  });

  it('never grows beyond what was seen, on either side', () => {
    const lopsided = createHistogram({ min: -0.25, max: 1 });
    addToHistogram(lopsided, values.slice(0, 50_000));
    for (const method of rangeMethods) {
      const { min, max } = chooseRange(method, lopsided);
      expect(min).toBeGreaterThanOrEqual(-0.25);
      expect(max).toBeLessThanOrEqual(1);
    }
  });

  it('of nothing but zeros is zero', () => {
    const nothing = createHistogram({ min: 0, max: 0 });
    addToHistogram(nothing, [0, 0]);
    for (const method of rangeMethods) expect(chooseRange(method, nothing).max).toBe(0);
  });
});
