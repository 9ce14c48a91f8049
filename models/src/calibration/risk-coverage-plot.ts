// A risk–coverage curve to look at: the answered share runs along, the share of it that is lost upwards.

import type { Chart } from '@skerry/shared/chart';
import { chartsSvg, drawChart } from '@skerry/shared/chart';
import type { RiskCoveragePoint } from './risk-coverage.ts';

export const riskCoveragePlot = (points: readonly RiskCoveragePoint[]): string =>
  drawChart(chartOf(points));

/** The threshold is drawn as the share that it answers. */
export function riskCoverageSvg(
  points: readonly RiskCoveragePoint[],
  threshold: number | null,
): string {
  const answered = points.findLast((point) => threshold !== null && point.threshold >= threshold);
  const mark = answered && { name: 'threshold', x: answered.coverage };
  return chartsSvg([{ ...chartOf(points), ...(mark ? { mark } : {}) }]);
}

const chartOf = (points: readonly RiskCoveragePoint[]): Chart => ({
  title: 'risk by coverage',
  x: { label: 'answered', from: 0, to: 1, format: (share) => `${(100 * share).toFixed(0)} %` },
  y: {
    label: 'lost, of what is answered',
    from: 0,
    format: (share) => `${(100 * share).toFixed(2)} %`,
  },
  series: [
    { name: 'risk', points: points.map(({ coverage, risk }) => ({ x: coverage, y: risk })) },
  ],
});
