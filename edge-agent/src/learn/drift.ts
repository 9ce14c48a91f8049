// How far what a device answers has moved from what it answered at first: the Jensen–Shannon divergence of the two
// distributions of classes, in bits, so between 0 and 1. It tells of the inputs without one of them.

/** Answers in a window. */
export const windowAnswersMax = 500;
/** Fewer say nothing: chance alone would look like drift. */
export const windowAnswersMin = 100;

/** Of two counts of classes; undefined where either has too few. */
export function driftOf(
  reference: readonly number[],
  recent: readonly number[],
): number | undefined {
  const total = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + n, 0);
  const [of, on] = [total(reference), total(recent)];
  if (of < windowAnswersMin || on < windowAnswersMin) return undefined;
  let bits = 0;
  for (let i = 0; i < Math.max(reference.length, recent.length); i++) {
    const p = (reference[i] ?? 0) / of;
    const q = (recent[i] ?? 0) / on;
    const m = (p + q) / 2;
    bits += (p > 0 ? p * Math.log2(p / m) : 0) + (q > 0 ? q * Math.log2(q / m) : 0);
  }
  // Rounding may leave it a little outside.
  return Math.min(1, Math.max(0, bits / 2));
}

/** What one bundle's model answers, in two windows: its first answers here, and its latest. */
export interface DriftMeter {
  answered(label: number): void;
  /** True once: the first window is full, and to be kept. */
  takeReference(): readonly number[] | undefined;
  drift(): number | undefined;
}

/** @param known the first window, where an earlier life has kept it */
export function createDriftMeter(classes: number, known?: readonly number[]): DriftMeter {
  const reference = known?.slice() ?? new Array<number>(classes).fill(0);
  const recent = new Array<number>(classes).fill(0);
  const window: number[] = [];
  let isFull = known !== undefined;
  let answers = 0;
  let isNews = false;
  const count = (counts: number[], label: number, by: number): void => {
    counts[label] = (counts[label] ?? 0) + by;
  };
  return {
    answered(label) {
      if (label >= classes) return;
      if (!isFull) {
        count(reference, label, 1);
        answers += 1;
        isFull = answers >= windowAnswersMax;
        isNews = isFull;
        return;
      }
      count(recent, label, 1);
      if (window.push(label) > windowAnswersMax) count(recent, window.shift() ?? 0, -1);
    },
    takeReference() {
      if (!isNews) return undefined;
      isNews = false;
      return reference;
    },
    drift: () => (isFull ? driftOf(reference, recent) : undefined),
  };
}
