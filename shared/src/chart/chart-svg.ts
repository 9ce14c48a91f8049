// A chart as SVG, without a script and without a font but the reader's own. Several stand below each other in one picture.

import { type Chart, type Scale, type Series, ticksOf, xScale, yScale } from './chart.ts';

const width = 640;
const height = 320;
const margin = { left: 64, right: 190, top: 52, bottom: 44 } as const;
/** Told apart by those who see few colours too (Okabe and Ito, 2008). */
const colours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
] as const;
const ticks = 5;
const legendLine = 18;

export function chartsSvg(charts: readonly Chart[]): string {
  const drawn = charts.map(
    (chart, i) => `<g transform="translate(0,${i * height})">\n${drawOne(chart)}\n</g>`,
  );
  const whole = height * Math.max(1, charts.length);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${whole}" width="${width}" height="${whole}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${whole}" fill="white"/>
${drawn.join('\n')}
</svg>
`;
}

interface Place {
  x(value: number): string;
  y(value: number): string;
}

function drawOne(chart: Chart): string {
  const [xs, ys] = [xScale(chart), yScale(chart)];
  const place: Place = {
    x: (value) => round(margin.left + xs.share(value) * (width - margin.left - margin.right)),
    y: (value) =>
      round(height - margin.bottom - ys.share(value) * (height - margin.top - margin.bottom)),
  };
  return [
    text(margin.left, 22, 'start', chart.title, ' font-weight="bold"'),
    ...gridLines(chart, xs, ys, place),
    ...bandOf(chart, place),
    ...chart.series.flatMap((series, i) => lineOf(series, colourOf(i), place)),
    ...markings(chart, xs, ys, place),
    ...legend(chart),
  ].join('\n');
}

function gridLines({ x, y }: Chart, xs: Scale, ys: Scale, place: Place): string[] {
  const [left, right] = [margin.left, width - margin.right];
  const [top, bottom] = [margin.top, height - margin.bottom];
  return [
    ...ticksOf(ys, ticks).flatMap((value) => [
      `<path d="M${left},${place.y(value)}H${right}" stroke="#e5e5e5"/>`,
      text(left - 6, Number(place.y(value)) + 4, 'end', y.format(value)),
    ]),
    ...ticksOf(xs, ticks).map((value) =>
      text(Number(place.x(value)), bottom + 18, 'middle', x.format(value)),
    ),
    `<path d="M${left},${top}V${bottom}H${right}" fill="none" stroke="#888"/>`,
    text((left + right) / 2, bottom + 36, 'middle', x.label),
    text(left, top - 8, 'start', y.label, ' fill="#666"'),
  ];
}

function bandOf({ band }: Chart, { x, y }: Place): string[] {
  const points = band?.points.filter(({ low, high }) => Number.isFinite(low + high)) ?? [];
  if (points.length === 0) return [];
  const there = points.map((point) => `${x(point.x)},${y(point.high)}`);
  const back = points.toReversed().map((point) => `${x(point.x)},${y(point.low)}`);
  return [
    `<polygon points="${[...there, ...back].join(' ')}" fill="#0072b2" fill-opacity="0.15"/>`,
  ];
}

/** One line for each stretch without a gap; of a single point a dot. */
function lineOf({ points }: Series, colour: string, { x, y }: Place): string[] {
  const stretches: (typeof points)[number][][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point.y)) stretches.at(-1)?.push(point);
    else stretches.push([]);
  }
  return stretches
    .filter((stretch) => stretch.length > 0)
    .map((stretch) => {
      const [only] = stretch;
      if (stretch.length === 1 && only)
        return `<circle cx="${x(only.x)}" cy="${y(only.y)}" r="3" fill="${colour}"/>`;
      const line = stretch.map((point) => `${x(point.x)},${y(point.y)}`).join(' ');
      return `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>`;
    });
}

function markings({ level, mark }: Chart, xs: Scale, ys: Scale, { x, y }: Place): string[] {
  const dashed = 'stroke="#c30" stroke-dasharray="4"';
  return [
    ...(level ? [`<path d="M${x(xs.from)},${y(level.y)}H${x(xs.to)}" ${dashed}/>`] : []),
    ...(mark ? [`<path d="M${x(mark.x)},${y(ys.from)}V${y(ys.to)}" ${dashed}/>`] : []),
  ];
}

function legend({ series, band, level, mark }: Chart): string[] {
  const entries = [
    ...series.map(({ name }, i) => ({ name, swatch: `stroke="${colourOf(i)}" stroke-width="2"` })),
    ...(band
      ? [{ name: band.name, swatch: 'stroke="#0072b2" stroke-opacity="0.15" stroke-width="10"' }]
      : []),
    ...[level, mark].flatMap((line) =>
      line ? [{ name: line.name, swatch: 'stroke="#c30" stroke-dasharray="4"' }] : [],
    ),
  ];
  const left = width - margin.right + 12;
  return entries.flatMap(({ name, swatch }, i) => {
    const y = margin.top + 8 + i * legendLine;
    return [`<path d="M${left},${y}h18" ${swatch}/>`, text(left + 24, y + 4, 'start', name)];
  });
}

const colourOf = (series: number): string => colours[series % colours.length] as string;
const round = (value: number): string => value.toFixed(1);
const escaped = (content: string): string =>
  content.replace(/[&<>"]/g, (c) => `&#${c.codePointAt(0)};`).replace(/[^\P{Cc}\n]/gu, '\ufffd');
const text = (x: number, y: number, anchor: string, content: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${more}>${escaped(content)}</text>`;
