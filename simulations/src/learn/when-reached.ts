// When a curve of accuracies has reached a target, as McMahan et al. count (arXiv 1602.05629, §3): the curve is made
// monotone by the best of all so far, and the crossing is interpolated between two points.

export interface CurvePoint {
  /** Rounds, virtual time, updates: what grows. */
  readonly at: number;
  readonly value: number;
}

/** Before the first point lie 0 and nothing learned. Undefined where it never gets there; NaN counts as 0. */
export function whenReached(target: number, points: readonly CurvePoint[]): number | undefined {
  let from = { at: 0, value: 0 };
  for (const { at, value } of points) {
    const next = { at, value: value > from.value ? value : from.value };
    if (next.value >= target) {
      const share = next.value > from.value ? (target - from.value) / (next.value - from.value) : 1;
      return from.at + (at - from.at) * share;
    }
    from = next;
  }
  return undefined;
}

export const meanOfLast = (count: number, curve: readonly number[]): number => {
  const last = curve.slice(-count);
  return last.reduce((sum, value) => sum + (Number.isFinite(value) ? value : 0), 0) / last.length;
};

export const bestOf = (curve: readonly number[]): number =>
  curve.reduce((best, value) => (value > best ? value : best), 0);
