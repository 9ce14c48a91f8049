import { describe, expect, it } from 'vitest';
import type { Outcome } from './choose-threshold.ts';
import { areaUnder, excessArea, riskCoverage, thinned } from './risk-coverage.ts';

const of = (...pairs: [confidence: number, loss: number][]): Outcome[] =>
  pairs.map(([confidence, loss]) => ({ confidence, loss }));

describe('the risk–coverage curve', () => {
  it('is the share lost of the most confident, as more are answered', () => {
    expect(riskCoverage(of([0.6, 1], [0.9, 0], [0.7, 0], [0.8, 1]))).toEqual([
      { threshold: 0.9, coverage: 0.25, risk: 0 },
      { threshold: 0.8, coverage: 0.5, risk: 1 / 2 },
      { threshold: 0.7, coverage: 0.75, risk: 1 / 3 },
      { threshold: 0.6, coverage: 1, risk: 1 / 2 },
    ]);
  });

  it('answers ties together', () => {
    expect(riskCoverage(of([0.9, 1], [0.9, 0], [0.5, 0]))).toEqual([
      { threshold: 0.9, coverage: 2 / 3, risk: 1 / 2 },
      { threshold: 0.5, coverage: 1, risk: 1 / 3 },
    ]);
  });

  it('has the area of its trapezoids', () => {
    // ¼ · (0 + ¼ + ⁵⁄₁₂ + ⁵⁄₁₂), the risks being 0, ½, ⅓, ½ and 0 before the first.
    const points = riskCoverage(of([0.6, 1], [0.9, 0], [0.7, 0], [0.8, 1]));
    expect(areaUnder(points)).toBeCloseTo((0 + 1 / 4 + 5 / 12 + 5 / 12) / 4, 12);
  });

  it('has next to no excess where every error comes last, and much where they come first', () => {
    const count = 10_000;
    const ordered = Array.from({ length: count }, (_, i) => ({
      confidence: 1 - i / count,
      loss: Number(i >= 0.9 * count),
    }));
    expect(Math.abs(excessArea(riskCoverage(ordered)))).toBeLessThan(1e-4);
    const reversed = ordered.map(({ confidence, loss }) => ({ confidence: 1 - confidence, loss }));
    expect(excessArea(riskCoverage(reversed))).toBeGreaterThan(0.2);
  });

  it('is thinned to a bounded number of points, the ends among them', () => {
    const points = riskCoverage(
      Array.from({ length: 1000 }, (_, i) => ({ confidence: i / 1000, loss: 0 })),
    );
    const few = thinned(points, 33);
    expect(few.length).toBe(33);
    expect([few[0], few.at(-1)]).toEqual([points[0], points.at(-1)]);
    expect(thinned(points.slice(0, 5), 33)).toEqual(points.slice(0, 5));
  });
});
