// A chart of lines, as data: what is drawn is said once, and drawn on a console or as SVG. Both start from the same scales, so
// that a reader of one sees what a reader of the other does.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  /** By growing x; what is not finite is a gap. */
  readonly points: readonly Point[];
}

/** From the lowest to the highest at each x. */
export interface Band {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly low: number; readonly high: number }[];
}

export interface Axis {
  readonly label: string;
  format(value: number): string;
  /** Absent: where the data begin or end. */
  readonly from?: number;
  readonly to?: number;
}

export interface Chart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly band?: Band;
  /** A line across: a budget, a target. */
  readonly level?: { readonly name: string; readonly y: number };
  /** A line up: a threshold. */
  readonly mark?: { readonly name: string; readonly x: number };
}

export interface Scale {
  readonly from: number;
  readonly to: number;
  /** Where a value lies between both, 0–1. */
  share(value: number): number;
}

export function xScale({ x, series, band, mark }: Chart): Scale {
  const values = [...series.flatMap(({ points }) => points), ...(band?.points ?? [])].map(
    (point) => point.x,
  );
  return scaleOf(x, mark ? [...values, mark.x] : values);
}

export function yScale({ y, series, band, level }: Chart): Scale {
  const values = [
    ...series.flatMap(({ points }) => points.map((point) => point.y)),
    ...(band?.points ?? []).flatMap(({ low, high }) => [low, high]),
  ];
  return scaleOf(y, level ? [...values, level.y] : values);
}

function scaleOf({ from, to }: Axis, values: readonly number[]): Scale {
  const finite = values.filter(Number.isFinite);
  const low = from ?? finite.reduce((least, value) => Math.min(least, value), finite[0] ?? 0);
  const most = to ?? finite.reduce((largest, value) => Math.max(largest, value), low);
  const high = most > low ? most : low + (Math.abs(low) || 1);
  return { from: low, to: high, share: (value) => (value - low) / (high - low) };
}

/** Round values within a scale: steps of 1, 2 or 5 of a power of ten, about so many. */
export function ticksOf({ from, to }: Scale, about: number): readonly number[] {
  const rough = (to - from) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  // A multiple of the step, rounded to it: 0.30000000000000004 is no label.
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

/** y at x, on the line between two points; undefined before the first, after the last, and in a gap. */
export function valueAt(points: readonly Point[], x: number): number | undefined {
  const after = points.findIndex((point) => point.x >= x);
  const next = points[after];
  if (next === undefined) return undefined;
  if (next.x === x) return Number.isFinite(next.y) ? next.y : undefined;
  const before = points[after - 1];
  if (before === undefined) return undefined;
  const y = before.y + ((next.y - before.y) * (x - before.x)) / (next.x - before.x);
  return Number.isFinite(y) ? y : undefined;
}
