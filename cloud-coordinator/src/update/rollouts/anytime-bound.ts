// Bounds on a mean that hold at every moment at once, so that a gate may look after each device and stop when it likes:
// with a chance of at least 1 − delta no look, of as many as there are, shows a bound that is false. By betting
// (Waudby-Smith and Ramdas, J. R. Statist. Soc. B 86(1), 2024): who bets against a mean that is true can win 1/delta with a
// chance of at most delta (Ville's inequality). The stakes are a mixture of fixed fractions (theirs is "diversified Kelly";
// Cover's universal portfolio, 1991), so that the order of what was seen does not matter.

/** Values in 0…1, and how often each was seen; a fraction of a time counts as much. */
export type Seen = readonly (readonly [value: number, times: number])[];

export interface AnytimeBounds {
  readonly lower: number;
  readonly upper: number;
}

/** What each of the gamblers stakes of all that it has. Close together for large effects, and down to small ones. */
const fractions = Array.from({ length: 20 }, (_, i) => 0.95 * 0.75 ** i);
/** Finer than anybody reads. */
const bisections = 24;

/** Each bound fails with a chance of at most `delta`. Nothing seen: 0 and 1. */
export function anytimeBounds(seen: Seen, delta: number): AnytimeBounds {
  return {
    lower: lowerBound(seen, delta),
    upper: 1 - lowerBound(mirrored(seen), delta),
  };
}

/** Whether it is shown at `delta` that the mean exceeds `mean`. */
export function exceeds(seen: Seen, mean: number, delta: number): boolean {
  return mean <= 0 || logWealth(seen, mean) >= -Math.log(delta);
}

function lowerBound(seen: Seen, delta: number): number {
  let low = 0;
  let high = 1;
  if (!seen.some(([value, times]) => value > 0 && times > 0)) return 0;
  for (let i = 0; i < bisections; i++) {
    const middle = (low + high) / 2;
    if (exceeds(seen, middle, delta)) low = middle;
    else high = middle;
  }
  return low;
}

const mirrored = (seen: Seen): Seen => seen.map(([value, times]) => [1 - value, times]);

/** Of who began with 1 and bet that the mean exceeds `mean`, which lies in 0…1; falls as `mean` rises. */
function logWealth(seen: Seen, mean: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  const logs = fractions.map((fraction) => {
    let log = 0;
    for (const [value, times] of seen)
      if (times > 0) log += times * Math.log1p(fraction * (value / mean - 1));
    largest = Math.max(largest, log);
    return log;
  });
  let sum = 0;
  for (const log of logs) sum += Math.exp(log - largest);
  return largest + Math.log(sum / fractions.length);
}

export interface Hits {
  readonly hits: number;
  readonly trials: number;
}

/**
 * How a device's candidate and its incumbent compare, as values whose mean is (1 + rise) / 2: 1 where of a pair of their
 * answers the candidate's alone is a hit, 0 where the incumbent's alone is, else ½. Answers are paired by chance,
 * `pairsMax` at most; instead of one pairing this is what the logarithm of a wealth is on average over all, which is no
 * more than the logarithm of the average (Jensen's inequality), so the bounds hold. Each device is its own control: by how
 * much devices differ from each other does not matter.
 */
export function pairUp(candidate: Hits, incumbent: Hits, pairsMax: number): Seen {
  const pairs = Math.min(candidate.trials, incumbent.trials, pairsMax);
  if (pairs === 0) return [];
  const ours = candidate.hits / candidate.trials;
  const theirs = incumbent.hits / incumbent.trials;
  const worse = pairs * ours * (1 - theirs);
  const better = pairs * (1 - ours) * theirs;
  return [
    [1, worse],
    [0.5, pairs - worse - better],
    [0, better],
  ];
}

/** The bounds of a rise, −1…1, from those of `pairUp`'s mean. */
export function toRise({ lower, upper }: AnytimeBounds): AnytimeBounds {
  return { lower: 2 * lower - 1, upper: 2 * upper - 1 };
}
