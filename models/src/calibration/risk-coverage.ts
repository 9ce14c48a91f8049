// Selective prediction's figures: how the risk of what is answered grows as more is answered, and what is under that curve
// (Geifman et al., arXiv 1805.08206; AURC and E-AURC as in fd-shifts, arXiv 2211.15259).

import type { Outcome } from './choose-threshold.ts';

/** Answer those of confidence ≥ threshold: a share `coverage` of all, of which a share `risk` is lost. */
export interface RiskCoveragePoint {
  readonly threshold: number;
  readonly coverage: number;
  readonly risk: number;
}

/** One point a distinct confidence, by growing coverage. */
export function riskCoverage(outcomes: readonly Outcome[]): RiskCoveragePoint[] {
  const ranked = outcomes.toSorted((a, b) => b.confidence - a.confidence);
  const points: RiskCoveragePoint[] = [];
  let loss = 0;
  for (const [i, outcome] of ranked.entries()) {
    loss += outcome.loss;
    // Ties are answered together or not at all.
    if (ranked[i + 1]?.confidence === outcome.confidence) continue;
    const answered = i + 1;
    points.push({
      threshold: outcome.confidence,
      coverage: answered / ranked.length,
      risk: loss / answered,
    });
  }
  return points;
}

/** The area under the curve, by trapezoids, from coverage 0 (with the first point's risk) to the last point's. */
export function areaUnder(points: readonly RiskCoveragePoint[]): number {
  let area = 0;
  let before = { coverage: 0, risk: points[0]?.risk ?? 0 };
  for (const point of points) {
    area += ((before.risk + point.risk) / 2) * (point.coverage - before.coverage);
    before = point;
  }
  return area;
}

/** What is above the best possible order's area, e + (1 − e) ln(1 − e), for 0/1 losses whose mean over all is e. */
export function excessArea(points: readonly RiskCoveragePoint[]): number {
  const e = points.at(-1)?.risk ?? 0;
  return areaUnder(points) - (e === 1 ? 1 : e + (1 - e) * Math.log1p(-e));
}

/** At most `pointsMax` points, even in coverage, with the first and the last. */
export function thinned(
  points: readonly RiskCoveragePoint[],
  pointsMax: number,
): RiskCoveragePoint[] {
  if (points.length <= pointsMax) return [...points];
  const kept = new Set<RiskCoveragePoint>();
  let at = 0;
  for (let i = 0; i < pointsMax; i++) {
    const wanted = i / (pointsMax - 1);
    while (at < points.length - 1 && (points[at] as RiskCoveragePoint).coverage < wanted) at++;
    kept.add(points[at] as RiskCoveragePoint);
  }
  return [...kept];
}
