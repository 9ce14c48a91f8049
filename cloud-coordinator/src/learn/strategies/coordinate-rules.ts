// Rules that look at one coordinate at a time (Yin et al., arXiv 1803.01498): the median, and the mean of what is left when the
// largest and the smallest are cut off. What clients claim of themselves is not looked at.

import { assert, ok } from '@skerry/shared';
import type { Rule } from './combined-strategy.ts';
import type { StrategyTraits, Vector } from './strategy.ts';
import { middleOf } from './vectors.ts';

/** Of rules that look at each update. */
export const robustTraits = (clientsMin: number): StrategyTraits => ({
  takesSums: false,
  asynchronous: false,
  needsControl: false,
  needsStartLoss: false,
  clientsMin,
});

/** `pick` gets each coordinate's values in ascending order. */
export function byCoordinate(
  rows: readonly Vector[],
  pick: (sorted: Float64Array) => number,
): Float64Array<ArrayBuffer> {
  const column = new Float64Array(rows.length);
  const picked = new Float64Array(rows[0]?.length ?? 0);
  for (let i = 0; i < picked.length; i++) {
    for (let r = 0; r < rows.length; r++) insert(column, r, rows[r]?.[i] as number);
    picked[i] = pick(column);
  }
  return picked;
}

/** Into the first `count` values, which are sorted: a round has tens of clients, and this is faster than a sort of so few. */
function insert(column: Float64Array, count: number, value: number): void {
  let at = count;
  while (at > 0 && (column[at - 1] as number) > value) {
    column[at] = column[at - 1] as number;
    at--;
  }
  column[at] = value;
}

export const coordinateMedian = (rows: readonly Vector[]): Float64Array<ArrayBuffer> =>
  byCoordinate(rows, middleOf);

/** Cuts off `trim` values at each end. */
export function trimmedMean(rows: readonly Vector[], trim: number): Float64Array<ArrayBuffer> {
  const kept = rows.length - 2 * trim;
  assert(kept > 0, 'something left after trimming');
  return byCoordinate(rows, (sorted) => {
    let sum = 0;
    for (let i = trim; i < trim + kept; i++) sum += sorted[i] as number;
    return sum / kept;
  });
}

/** Of `sorted`, the `count` values nearest to `reference`; of two as near the lower. */
export function meanOfClosest(sorted: Vector, reference: number, count: number): number {
  const far = (i: number): number => Math.abs((sorted[i] as number) - reference);
  let low = 0;
  while (low + count < sorted.length && far(low + count) < far(low)) low++;
  let sum = 0;
  for (let i = low; i < low + count; i++) sum += sorted[i] as number;
  return sum / count;
}

/** Of fewer than three the median is a mean. */
const medianClientsMin = 3;

export const medianRule: Rule = {
  admission: { partialWork: 'keep' },
  traits: robustTraits(medianClientsMin),
  combine: (updates) =>
    ok({
      delta: coordinateMedian(updates.map(({ delta }) => delta)),
      shares: updates.map(({ client }) => ({ client, used: true })),
    }),
};

/** How many of `clients` are cut off at each end. 0.29 × 100 is a hair below 29 in floating point. */
export const trimCount = (clients: number, trimShare: number): number =>
  Math.floor(clients * trimShare + 1e-9);

/** `trimShare` (β) at each end: as many may lie. With so few clients that nobody would be cut off it refuses. */
export function trimmedMeanRule({ trimShare }: { readonly trimShare: number }): Rule {
  return {
    admission: { partialWork: 'keep' },
    traits: robustTraits(Math.max(medianClientsMin, Math.ceil(1 / trimShare - 1e-9))),
    combine: (updates) =>
      ok({
        delta: trimmedMean(
          updates.map(({ delta }) => delta),
          trimCount(updates.length, trimShare),
        ),
        shares: updates.map(({ client }) => ({ client, used: true })),
      }),
  };
}
