import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binomialCdf } from './binomial.ts';
import { hoeffdingBentkus } from './hoeffding-bentkus.ts';

describe('hoeffdingBentkus', () => {
  it('is (1 − ε)ⁿ without any loss, as the exact tail is', () => {
    expect(hoeffdingBentkus(0, 100, 0.05)).toBeCloseTo(0.95 ** 100, 12);
  });

  it.each([
    [1, 100, 0.1, 'hoeffding'],
    [50, 1000, 0.1, 'bentkus'],
  ] as const)(
    'of %i losses in %i at ε = %d takes the smaller tail: %s',
    (k, n, epsilon, smaller) => {
      const mean = k / n;
      const entropy =
        mean * Math.log(mean / epsilon) + (1 - mean) * Math.log((1 - mean) / (1 - epsilon));
      const tails = {
        hoeffding: Math.exp(-n * entropy),
        bentkus: Math.E * binomialCdf(k, n, epsilon),
      };
      expect(tails[smaller]).toBe(Math.min(tails.hoeffding, tails.bentkus));
      expect(hoeffdingBentkus(mean, n, epsilon) / tails[smaller]).toBeCloseTo(1, 9);
    },
  );

  it('does not count one loss more because a mean was rounded', () => {
    expect(hoeffdingBentkus(3 * (1 / 49), 49, 0.2)).toBe(hoeffdingBentkus(3 / 49, 49, 0.2));
  });

  it('is never below the exact tail of 0/1 losses, and never above 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0.001, max: 0.5, noNaN: true }),
        (n, share, epsilon) => {
          const losses = Math.floor(share * n);
          const p = hoeffdingBentkus(losses / n, n, epsilon);
          expect(p).toBeGreaterThanOrEqual(binomialCdf(losses, n, epsilon) * (1 - 1e-9));
          expect(p).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});
