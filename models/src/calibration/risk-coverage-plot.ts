// A risk–coverage curve to look at: on a console, and as SVG.

import type { RiskCoveragePoint } from './risk-coverage.ts';

const columns = 64;
const rows = 10;
/** The answered share runs along, the share of it that is lost upwards. */
const corner = 8;

export function riskCoveragePlot(points: readonly RiskCoveragePoint[]): string {
  const riskMax = Math.max(...points.map(({ risk }) => risk), Number.EPSILON);
  const grid = Array.from({ length: rows }, () => new Array<string>(columns).fill(' '));
  for (let column = 0; column < columns; column++) {
    const risk = riskAt(points, (column + 0.5) / columns);
    if (risk === undefined) continue;
    const row = Math.min(rows - 1, Math.floor((risk / riskMax) * rows));
    (grid[rows - 1 - row] as string[])[column] = '•';
  }
  const label = (row: number): string =>
    row === 0 ? `${(100 * riskMax).toFixed(2)} %`.padStart(corner) : ' '.repeat(corner);
  return [
    ...grid.map((cells, row) => `${label(row)} │${cells.join('').trimEnd()}`),
    `${'0 %'.padStart(corner)} └${'─'.repeat(columns)}`,
    `${' '.repeat(corner + 2)}0 %${'answered'.padStart(columns / 2)}${'100 %'.padStart(columns / 2 - 3)}`,
  ].join('\n');
}

/** Of the most confident share; undefined beyond the last point. */
const riskAt = (points: readonly RiskCoveragePoint[], coverage: number): number | undefined =>
  points.find((point) => point.coverage >= coverage)?.risk;

const width = 640;
const height = 320;
const margin = 48;

/** The threshold is drawn as the share that it answers. */
export function riskCoverageSvg(
  points: readonly RiskCoveragePoint[],
  threshold: number | null,
): string {
  const riskMax = Math.max(...points.map(({ risk }) => risk), Number.EPSILON);
  const x = (coverage: number): string => (margin + coverage * (width - 2 * margin)).toFixed(1);
  const y = (risk: number): string =>
    (height - margin - (risk / riskMax) * (height - 2 * margin)).toFixed(1);
  const line = points.map(({ coverage, risk }) => `${x(coverage)},${y(risk)}`).join(' ');
  const answered = points.findLast((point) => threshold !== null && point.threshold >= threshold);
  const text = (at: string, up: number, anchor: string, content: string): string =>
    `<text x="${at}" y="${up}" text-anchor="${anchor}">${content}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${height}" fill="white"/>
<path d="M${margin},${margin}V${height - margin}H${width - margin}" fill="none" stroke="#888"/>
<polyline points="${line}" fill="none" stroke="#06c" stroke-width="2"/>
${answered ? `<path d="M${x(answered.coverage)},${margin}V${height - margin}" stroke="#c30" stroke-dasharray="4"/>\n` : ''}${text(String(margin), margin - 8, 'start', `lost, of what is answered (up to ${(100 * riskMax).toFixed(2)} %)`)}
${text(String(width - margin), height - margin + 20, 'end', 'answered (up to 100 %)')}
</svg>
`;
}
