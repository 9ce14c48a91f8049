// A chart in characters, for a terminal: the last of several lines at one place is what is seen.

import { type Chart, type Scale, type Series, valueAt, xScale, yScale } from './chart.ts';

const columns = 64;
const rows = 12;
const glyphs = ['•', '+', '×', 'o', '*', '#', '%', '@'] as const;
const bandGlyph = '░';
const levelGlyph = '┄';

export function drawChart(chart: Chart): string {
  const [xs, ys] = [xScale(chart), yScale(chart)];
  const grid = Array.from({ length: rows }, () => new Array<string>(columns).fill(' '));
  const put = (column: number, y: number | undefined, glyph: string): void => {
    const row = y === undefined ? -1 : rowOf(ys, y);
    if (row >= 0 && row < rows) (grid[row] as string[])[column] = glyph;
  };
  for (let column = 0; column < columns; column++) {
    const x = xs.from + ((column + 0.5) / columns) * (xs.to - xs.from);
    if (chart.band) fillBand(grid, column, chart.band.points, x, ys);
    put(column, chart.level?.y, levelGlyph);
    chart.series.forEach((each, i) => {
      put(column, nearAt(each, x, (xs.to - xs.from) / columns), glyphOf(i));
    });
  }
  return frame(chart, grid, xs, ys);
}

const glyphOf = (series: number): string => glyphs[series % glyphs.length] as string;
const rowOf = ({ share }: Scale, y: number): number =>
  Math.min(rows - 1, Math.floor((1 - share(y)) * rows));

/** A column is as wide as several points, or none: its own value, or that of the only point in it. */
function nearAt({ points }: Series, x: number, width: number): number | undefined {
  const here = points.find((point) => Math.abs(point.x - x) <= width / 2);
  return valueAt(points, x) ?? (here && Number.isFinite(here.y) ? here.y : undefined);
}

function fillBand(
  grid: readonly string[][],
  column: number,
  points: readonly { readonly x: number; readonly low: number; readonly high: number }[],
  x: number,
  ys: Scale,
): void {
  const low = valueAt(
    points.map((point) => ({ x: point.x, y: point.low })),
    x,
  );
  const high = valueAt(
    points.map((point) => ({ x: point.x, y: point.high })),
    x,
  );
  if (low === undefined || high === undefined) return;
  for (let row = Math.max(0, rowOf(ys, high)); row <= rowOf(ys, low); row++)
    (grid[row] as string[])[column] = bandGlyph;
}

function frame(chart: Chart, grid: readonly string[][], xs: Scale, ys: Scale): string {
  const { title, x, y, series, band, level } = chart;
  const corner = Math.max(y.format(ys.from).length, y.format(ys.to).length);
  const label = (row: number): string =>
    (row === 0 ? y.format(ys.to) : row === rows - 1 ? y.format(ys.from) : '').padStart(corner);
  const [first, last] = [x.format(xs.from), x.format(xs.to)];
  const names = [
    ...series.map(({ name }, i) => `${glyphOf(i)} ${name}`),
    ...(band ? [`${bandGlyph} ${band.name}`] : []),
    ...(level ? [`${levelGlyph} ${level.name}`] : []),
  ];
  const between = columns - first.length - last.length;
  const middle = x.label.slice(0, Math.max(0, between - 2));
  const left = Math.floor((between - middle.length) / 2);
  return [
    title,
    ...grid.map((cells, row) => `${label(row)} │${cells.join('').trimEnd()}`),
    `${' '.repeat(corner)} └${'─'.repeat(columns)}`,
    `${' '.repeat(corner + 2)}${first}${' '.repeat(left)}${middle}${' '.repeat(between - left - middle.length)}${last}`,
    ...(names.length > 1 || band || level ? [`${' '.repeat(corner + 2)}${names.join('   ')}`] : []),
  ].join('\n');
}
