import { describe, expect, it } from 'vitest';
import { type Chart, ticksOf, valueAt, xScale, yScale } from './chart.ts';
import { chartsSvg } from './chart-svg.ts';
import { drawChart } from './draw-chart.ts';

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const chart = (more: Partial<Chart> = {}): Chart => ({
  title: 'accuracy by round',
  x: { label: 'round', format: String },
  y: { label: 'accuracy', format: percent, from: 0, to: 1 },
  series: [
    {
      name: 'held out',
      points: [
        { x: 0, y: 0 },
        { x: 10, y: 1 },
      ],
    },
  ],
  ...more,
});

describe('scales', () => {
  it('begin and end with the data, or where an axis says', () => {
    const free = chart({ y: { label: '', format: String } });
    expect(yScale(free)).toMatchObject({ from: 0, to: 1 });
    expect(yScale({ ...free, level: { name: 'target', y: 3 } }).to).toBe(3);
    expect(yScale({ ...free, band: { name: '', points: [{ x: 1, low: -2, high: 2 }] } }).from).toBe(
      -2,
    );
    expect(xScale(chart({ mark: { name: 'now', x: 20 } })).to).toBe(20);
    expect(xScale(chart()).share(5)).toBe(0.5);
  });

  it('have a width where the data have none, and where there are no data', () => {
    const flat = (y: number) =>
      yScale({
        ...chart({ y: { label: '', format: String } }),
        series: [{ name: '', points: [{ x: 1, y }] }],
      });
    for (const scale of [flat(0), flat(-3), flat(Number.NaN), yScale(chart({ series: [] }))])
      expect(scale.to).toBeGreaterThan(scale.from);
  });

  it('have round ticks', () => {
    const ticks = (from: number, to: number) => ticksOf({ from, to, share: () => 0 }, 5);
    expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(0.86, 0.95)).toEqual([0.86, 0.88, 0.9, 0.92, 0.94]);
    expect(ticks(1, 60)).toEqual([20, 40, 60]);
    expect(ticks(-3, 12_345)).toEqual([0, 5_000, 10_000]);
  });

  it('interpolate between points, and not over gaps or beyond the ends', () => {
    const points = [
      { x: 0, y: 0 },
      { x: 2, y: 4 },
      { x: 3, y: Number.NaN },
      { x: 4, y: 1 },
    ];
    expect([-1, 0, 1, 2, 2.5, 3, 3.5, 4, 5].map((x) => valueAt(points, x))).toEqual([
      undefined,
      0,
      2,
      4,
      undefined,
      undefined,
      undefined,
      1,
      undefined,
    ]);
  });
});

describe('a chart on a console', () => {
  it('rises from the lower left to the upper right', () => {
    const lines = drawChart(chart()).split('\n');
    expect(lines[0]).toBe('accuracy by round');
    expect(lines[1]).toMatch(/^100 % │ +•+$/);
    expect(lines[12]).toMatch(/^ {2}0 % │•+$/);
    expect(lines[13]).toMatch(/^ {6}└─{64}$/);
    expect(lines[14]).toMatch(/^ {7}0 +round +10$/);
    // One line needs no names.
    expect(lines).toHaveLength(15);
  });

  it('shows what lies between two lines, a level, and whose line is whose', () => {
    const drawn = drawChart(
      chart({
        band: {
          name: 'worst to best',
          points: [
            { x: 0, low: 0.2, high: 0.8 },
            { x: 10, low: 0.2, high: 0.8 },
          ],
        },
        level: { name: 'target', y: 0.9 },
      }),
    );
    expect(drawn.split('\n').at(-1)).toContain('• held out   ░ worst to best   ┄ target');
    expect(drawn.match(/░/g)?.length).toBeGreaterThan(64 * 6);
    expect(drawn).toContain('┄'.repeat(50));
  });

  it('of a single point, of none and of what is not finite is a chart', () => {
    for (const points of [[{ x: 1, y: 0.5 }], [], [{ x: 1, y: Number.NaN }]])
      expect(drawChart(chart({ series: [{ name: 'one', points }] })).split('\n')).toHaveLength(15);
    expect(drawChart(chart({ series: [{ name: 'one', points: [{ x: 1, y: 0.5 }] }] }))).toContain(
      '•',
    );
  });
});

describe('a chart as SVG', () => {
  it('has a line a series, broken at a gap, and its names', () => {
    const gap = [
      { x: 0, y: 0 },
      { x: 1, y: 1 },
      { x: 2, y: Number.NaN },
      { x: 3, y: 1 },
    ];
    const svg = chartsSvg([
      chart({ series: [{ name: 'a', points: gap }, ...chart().series] }),
      chart(),
    ]);
    expect(svg.match(/<polyline/g)).toHaveLength(3);
    expect(svg.match(/<circle/g)).toHaveLength(1);
    expect(svg).toContain('viewBox="0 0 640 640"');
    expect(svg).toContain('>100 %</text>');
    expect(svg).not.toContain('NaN');
  });

  it('escapes what it is given', () => {
    const svg = chartsSvg([chart({ title: '<script>"a" & \u0007b' })]);
    expect(svg).toContain('&#60;script&#62;&#34;a&#34; &#38; \ufffdb');
    expect(svg).not.toContain('<script');
  });
});
