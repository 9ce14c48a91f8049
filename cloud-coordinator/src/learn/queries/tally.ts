// What devices have answered to a query, put together so that it tells of many and of none. A number is shown where none or at
// least so many devices are in it; and so is every number that follows from those that are shown: what is too small is put
// together with others until it is not.

import { z } from 'zod';

/** Of one device. */
export interface Answer {
  readonly cohort: string;
  /** By cell. */
  readonly counts: readonly number[];
}

const namesMax = 64;
const countSchema = z.int().nonnegative();
const nameSchema = z.string().max(256);

const groupSchema = z.strictObject({
  devices: countSchema,
  examples: countSchema,
  /** By the name of a cell. */
  counts: z.record(nameSchema, countSchema),
  /** Of all cells that are withheld, together. */
  rest: countSchema,
});
export const tallySchema = z.strictObject({
  devicesMin: countSchema,
  whole: groupSchema,
  /** Parts of the whole, in which each of its devices is once; none: it is not told apart. */
  cohorts: z.record(z.string().max(128), groupSchema),
  /** Cells of which fewer devices have examples, and those that are withheld with them. */
  withheld: z.array(nameSchema).max(namesMax),
  /** Of each count: what devices have added to it, so that it tells of none of them. Then nothing is withheld. */
  noiseSigma: z.number().positive().optional(),
  /** Of what inputs measure, as far as bins tell it; absent where a bin is withheld. */
  quantiles: z.record(nameSchema, z.number()).optional(),
});
export type Tally = z.infer<typeof tallySchema>;

/** Cohorts that are too small by themselves, or too many. */
const others = '(others)';
/** Each names every cell, and all are one record of the run's log, which is bounded. */
export const cohortsMax = 64;

/** Devices that are told of together. */
interface Group {
  readonly devices: number;
  readonly counts: readonly number[];
  /** By cell, how many devices have any. */
  readonly holders: readonly number[];
  /** At least so many have any in one of these cells. */
  holdersOfAny(cells: readonly number[]): number;
}

/** `cells` by name. Each answer has a count for each. */
export function tallyAnswers(
  cells: readonly string[],
  answers: readonly Answer[],
  devicesMin: number,
): Tally {
  const cohorts = foldSmall(answers, devicesMin);
  const whole = groupOf(cells.length, answers);
  const parts = [...cohorts].map(([name, own]) => [name, groupOf(cells.length, own)] as const);
  return show(cells, whole, parts, devicesMin);
}

/** Of a masked sum nobody knows whose a count is, but how many devices have any in each cell. */
export function tallySum(
  cells: readonly string[],
  sum: {
    readonly devices: number;
    readonly counts: readonly number[];
    readonly holders: readonly number[];
  },
  devicesMin: number,
): Tally {
  const holdersOfAny = (of: readonly number[]): number =>
    of.reduce((most, cell) => Math.max(most, sum.holders[cell] ?? 0), 0);
  return show(cells, { ...sum, holdersOfAny }, [], devicesMin);
}

/** Of a sum with noise: it is what hides its devices, whatever is shown. Fewer than none there are never. */
export function tallyNoised(
  cells: readonly string[],
  sum: { readonly devices: number; readonly counts: readonly number[] },
  noiseSigma: number,
  devicesMin: number,
): Tally {
  const counts = sum.counts.map((count) => Math.max(0, Math.round(count)));
  const whole = {
    devices: sum.devices,
    examples: counts.reduce((total, count) => total + count, 0),
    counts: Object.fromEntries(cells.map((cell, i) => [cell, counts[i] ?? 0])),
    rest: 0,
  };
  return { devicesMin, whole, cohorts: {}, withheld: [], noiseSigma };
}

/**
 * Parts of at least `devicesMin` devices, `cohortsMax` at most: the small ones are one, with as many others as it takes. None,
 * or two and more.
 */
function foldSmall(
  answers: readonly Answer[],
  devicesMin: number,
): ReadonlyMap<string, readonly Answer[]> {
  const byCohort = new Map<string, Answer[]>();
  for (const answer of answers) {
    const own = byCohort.get(answer.cohort) ?? [];
    own.push(answer);
    byCohort.set(answer.cohort, own);
  }
  const bySize = [...byCohort].sort((a, b) => a[1].length - b[1].length || (a[0] < b[0] ? -1 : 1));
  const folded: Answer[] = [];
  // The smallest come first: what is left over is never smaller than what was folded.
  while (bySize[0] !== undefined) {
    const isSmall = bySize[0][1].length < devicesMin;
    const lacks = folded.length > 0 && folded.length < devicesMin;
    const areMany = bySize.length + Number(folded.length > 0) > cohortsMax;
    if (!isSmall && !lacks && !areMany) break;
    folded.push(...bySize[0][1]);
    bySize.shift();
  }
  const parts = new Map<string, readonly Answer[]>(bySize);
  if (folded.length > 0) parts.set(others, folded);
  return parts.size < 2 ? new Map() : parts;
}

function groupOf(cells: number, answers: readonly Answer[]): Group {
  const places = Array.from({ length: cells }, (_, cell) => cell);
  const has = ({ counts }: Answer, cell: number): boolean => (counts[cell] ?? 0) > 0;
  return {
    devices: answers.length,
    counts: places.map((cell) => answers.reduce((sum, a) => sum + (a.counts[cell] ?? 0), 0)),
    holders: places.map((cell) => answers.filter((answer) => has(answer, cell)).length),
    holdersOfAny: (of) => answers.filter((answer) => of.some((cell) => has(answer, cell))).length,
  };
}

function show(
  cells: readonly string[],
  whole: Group,
  parts: readonly (readonly [string, Group])[],
  devicesMin: number,
): Tally {
  const shown = shownCells(cells.length, [whole, ...parts.map(([, part]) => part)], devicesMin);
  const told = ({ devices, counts }: Group): Tally['whole'] => {
    const examples = counts.reduce((sum, count) => sum + count, 0);
    const own = shown.map((cell) => [cells[cell] as string, counts[cell] ?? 0] as const);
    const rest = examples - own.reduce((sum, [, count]) => sum + count, 0);
    return { devices, examples, counts: Object.fromEntries(own), rest };
  };
  return {
    devicesMin,
    whole: told(whole),
    cohorts: Object.fromEntries(parts.map(([name, part]) => [name, told(part)])),
    withheld: cells.filter((_, cell) => !shown.includes(cell)),
  };
}

/**
 * The same in every group, or a part's count would follow from the whole's and the other parts'. What is withheld is known
 * together, so in every group it is of none or of enough devices, too: while it is not, the rarest of the others goes with it.
 */
function shownCells(
  cells: number,
  groups: readonly Group[],
  devicesMin: number,
): readonly number[] {
  const isMany = (devices: number): boolean => devices === 0 || devices >= devicesMin;
  const all = Array.from({ length: cells }, (_, cell) => cell);
  let shown = all.filter((cell) => groups.every(({ holders }) => isMany(holders[cell] ?? 0)));
  for (;;) {
    const rest = all.filter((cell) => !shown.includes(cell));
    const lacking = groups.filter((group) => !isMany(group.holdersOfAny(rest)));
    if (lacking.length === 0 || shown.length === 0) return shown;
    const holdersOf = (cell: number): number =>
      lacking.reduce((sum, { holders }) => sum + (holders[cell] ?? 0), 0);
    const [rarest] = shown
      .filter((cell) => holdersOf(cell) > 0)
      .sort((a, b) => holdersOf(a) - holdersOf(b));
    // Nobody who is lacking has any of the others: all of them are in the rest, and they are enough.
    if (rarest === undefined) return [];
    shown = shown.filter((cell) => cell !== rarest);
  }
}
