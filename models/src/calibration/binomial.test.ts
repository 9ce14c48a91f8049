import { describe, expect, it } from 'vitest';
import { binomialCdf } from './binomial.ts';

describe('binomialCdf', () => {
  // Sums of exact fractions: C(n, k) pᵏ (1 − p)ⁿ⁻ᵏ.
  it.each([
    [0, 10, 0.1, 0.9 ** 10],
    [2, 5, 0.5, 16 / 32],
    [3, 10, 0.5, 176 / 1024],
    [1, 4, 0.25, 0.75 ** 4 + 4 * 0.25 * 0.75 ** 3],
    [5, 5, 0.3, 1],
    [-1, 5, 0.3, 0],
    [0, 459, 0.005, 0.995 ** 459],
  ])('P(X ≤ %i), n = %i, p = %d', (successes, trials, probability, expected) => {
    expect(binomialCdf(successes, trials, probability)).toBeCloseTo(expected, 12);
  });

  it('stays exact where a single term would underflow', () => {
    // The median of Binomial(100 000, 0.5) is 50 000; its own mass is √(2 / (π n)) to first order.
    const mass = Math.sqrt(2 / (Math.PI * 100_000));
    expect(binomialCdf(50_000, 100_000, 0.5)).toBeCloseTo(0.5 + mass / 2, 6);
  });
});
