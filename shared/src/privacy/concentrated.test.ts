import { describe, expect, it } from 'vitest';
import { unwrap } from '../testing/unwrap.ts';
import { chargeLocalNoise, epsilonOfRho, rhoOf } from './concentrated.ts';

describe('Gaussian noise without sampling', () => {
  it('[PRV1] ρ 0.5 is ε 5.298525912 at δ 1e-5, by Mironov’s conversion', () => {
    expect(epsilonOfRho(0.5, 1e-5, 'mironov')).toBeCloseTo(5.298525912, 9);
    // In closed form, ρ + 2√(ρ ln 1/δ).
    for (const rho of [1e-4, 0.01, 3, 100])
      expect(
        epsilonOfRho(rho, 1e-6, 'mironov') / (rho + 2 * Math.sqrt(rho * Math.log(1e6))),
      ).toBeCloseTo(1, 9);
    expect(epsilonOfRho(0.5, 1e-5, 'canonne-kamath-steinke')).toBeLessThan(5.298525912);
    expect(epsilonOfRho(0, 1e-5, 'mironov')).toBe(0);
  });

  it('[PRV14] a device counts each update that it sends, and sends none beyond its own budget', () => {
    const budget = { epsilonMax: 8, delta: 1e-5 };
    let rho = 0;
    let sent = 0;
    for (;;) {
      const charged = chargeLocalNoise(rho, 4, budget);
      if (!charged.ok) {
        expect(charged.error.code).toBe('budget_spent');
        break;
      }
      rho = charged.value;
      sent++;
    }
    expect(rho).toBeCloseTo(sent * rhoOf(4), 12);
    expect(epsilonOfRho(sent * rhoOf(4), 1e-5, 'canonne-kamath-steinke')).toBeLessThanOrEqual(8);
    expect(epsilonOfRho((sent + 1) * rhoOf(4), 1e-5, 'canonne-kamath-steinke')).toBeGreaterThan(8);
    // Fewer, louder updates are fewer.
    expect(unwrap(chargeLocalNoise(0, 4, budget))).toBeLessThan(
      unwrap(chargeLocalNoise(0, 2, budget)),
    );
    for (const noise of [0, -1, Number.NaN])
      expect(chargeLocalNoise(0, noise, budget)).toMatchObject({
        error: { code: 'invalid_argument' },
      });
  });
});
