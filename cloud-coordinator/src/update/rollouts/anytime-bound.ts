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
const bisections = 18;

/** Each bound fails with a chance of at most `delta`, or of as much as each is given. Nothing seen: 0 and 1. */
export function anytimeBounds(seen: Seen, delta: number, upperDelta = delta): AnytimeBounds {
  return {
    lower: lowerBound(seen, delta),
    upper: 1 - lowerBound(mirrored(seen), upperDelta),
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
  const logs = new Float64Array(fractions.length);
  for (const [value, times] of seen) {
    if (times <= 0) continue;
    const gain = value / mean - 1;
    for (let i = 0; i < logs.length; i++)
      logs[i] = (logs[i] as number) + times * Math.log1p((fractions[i] as number) * gain);
  }
  const largest = Math.max(...logs);
  let sum = 0;
  for (const log of logs) sum += Math.exp(log - largest);
  return largest + Math.log(sum / fractions.length);
}

export interface Hits {
  readonly hits: number;
  readonly trials: number;
}

/** As a device may mean them, whatever it says: no more hits than trials, or its figures would spoil everybody's. [GAT10] */
export const withinTrials = ({ hits, trials }: Hits): Hits => ({
  hits: Math.min(Math.max(hits, 0), trials),
  trials,
});

/**
 * A device is worth so many stakes, whatever it has answered: all of its answers wrong, it multiplies a wealth by less than
 * 2⁴, and 1/delta is reached by several devices or by none.
 */
export const stakesPerDevice = 4;
const groupSizes = [25, 10, 5, 2, 1] as const;
/** What is more says no more. */
const countedMax = 1_000_000;

/**
 * How a device's candidate and its incumbent compare, as values whose mean is (1 + rise) / 2. Of both as many answers are
 * drawn and dealt into `stakesPerDevice` groups at most; a group's value is by how much its candidate's share of hits exceeds
 * its incumbent's. Instead of one dealing this is what the logarithm of a wealth is on average over all, which is no more
 * than the logarithm of the average (Jensen's inequality), so the bounds hold. Each device is its own control: by how much
 * devices differ from each other does not matter.
 */
export function pairUp(candidate: Hits, incumbent: Hits, answersMax: number): Seen {
  const dealt = deal(Math.min(candidate.trials, incumbent.trials), answersMax);
  const { groups, size } = dealt;
  if (groups === 0) return [];
  const ours = hitsOfGroup(candidate, size);
  const theirs = hitsOfGroup(incumbent, size);
  const chances = new Array<number>(2 * size + 1).fill(0);
  for (let i = 0; i < ours.length; i++)
    for (let j = 0; j < theirs.length; j++) {
      const at = i - j + size;
      chances[at] = (chances[at] as number) + (ours[i] as number) * (theirs[j] as number);
    }
  return chances.map((chance, i) => [i / (2 * size), groups * chance] as const);
}

/** A device's share of hits, dealt likewise: values whose mean it is. */
export function dealOut(hits: Hits, answersMax: number): Seen {
  const { groups, size } = deal(hits.trials, answersMax);
  if (groups === 0) return [];
  return hitsOfGroup(hits, size).map((chance, i) => [i / size, groups * chance] as const);
}

/** How many answers of a device are looked at. */
export function countedAnswers(trials: number, answersMax: number): number {
  const { groups, size } = deal(trials, answersMax);
  return groups * size;
}

function deal(
  trials: number,
  answersMax: number,
): { readonly groups: number; readonly size: number } {
  const answers = Math.min(trials, answersMax);
  const groups = Math.min(stakesPerDevice, answers);
  const size = groupSizes.find((each) => each * groups <= answers) ?? 0;
  return { groups, size };
}

/** The chance of each number of hits among `size` answers that are drawn (hypergeometric). */
function hitsOfGroup({ hits, trials }: Hits, size: number): readonly number[] {
  const scale = Math.min(1, countedMax / trials);
  const [good, all] = [hits * scale, trials * scale];
  const least = Math.max(0, size - Math.floor(all - good));
  const most = Math.min(size, Math.ceil(good));
  const weights = new Array<number>(size + 1).fill(0);
  let weight = 1;
  let sum = 0;
  for (let i = least; i <= most; i++) {
    weights[i] = weight;
    sum += weight;
    weight *= ((good - i) * (size - i)) / ((i + 1) * (all - good - size + i + 1));
  }
  return weights.map((each) => each / sum);
}

/** The bounds of a rise, −1…1, from those of `pairUp`'s mean. */
export function toRise({ lower, upper }: AnytimeBounds): AnytimeBounds {
  return { lower: 2 * lower - 1, upper: 2 * upper - 1 };
}
