// Krum and Multi-Krum (Blanchard et al., NeurIPS 2017, arXiv 1703.02757) and Bulyan (El Mhamdi et al., arXiv 1802.07927). A
// client's score is the sum of squared distances to its n−f−2 nearest; who is far from the crowd has a high one. They hold
// against f liars among n ≥ 2f+3, Bulyan among n ≥ 4f+3; with fewer they refuse. Kept updates count the same each.

import { ok } from '@skerry/shared';
import type { Combined, Rule } from './combined-strategy.ts';
import { byCoordinate, meanOfClosest, robustTraits } from './coordinate-rules.ts';
import type { ClientUpdate, Vector } from './strategy.ts';
import { mean, middleOf, squaredDistance } from './vectors.ts';

export type Distances = readonly Float64Array[];

/** Squared, of each row to each. */
export function squaredDistances(rows: readonly Vector[]): Distances {
  const distances = rows.map(() => new Float64Array(rows.length));
  for (const [i, row] of rows.entries())
    for (let j = i + 1; j < rows.length; j++) {
      const distance = squaredDistance(row, rows[j] as Vector);
      (distances[i] as Float64Array)[j] = distance;
      (distances[j] as Float64Array)[i] = distance;
    }
  return distances;
}

/** Of the rows `among`, each one's sum over its `neighbours` nearest of them. */
export function krumScores(
  distances: Distances,
  neighbours: number,
  among: readonly number[] = distances.map((_, i) => i),
): readonly number[] {
  return among.map((i) => {
    const near = Float64Array.from(
      among.filter((j) => j !== i),
      (j) => distances[i]?.[j] as number,
    ).sort();
    let sum = 0;
    for (let k = 0; k < Math.min(neighbours, near.length); k++) sum += near[k] as number;
    return sum;
  });
}

/** Indices by ascending score; of equal ones the first comes first. */
export const byScore = (scores: readonly number[]): readonly number[] =>
  scores.map((_, i) => i).sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);

/** Bulyan's first phase: n−2f times the best of those who are left, in that order. */
export function bulyanSelection(distances: Distances, byzantine: number): readonly number[] {
  const left = distances.map((_, i) => i);
  const selected: number[] = [];
  const wanted = distances.length - 2 * byzantine;
  while (selected.length < wanted) {
    const scores = krumScores(distances, left.length - byzantine - 2, left);
    const best = byScore(scores)[0] as number;
    selected.push(left[best] as number);
    left.splice(best, 1);
  }
  return selected;
}

/** Its second: of each coordinate the mean of the n−4f values nearest to the median. */
export function bulyanMean(
  selected: readonly Vector[],
  byzantine: number,
): Float64Array<ArrayBuffer> {
  const kept = selected.length - 2 * byzantine;
  return byCoordinate(selected, (sorted) => meanOfClosest(sorted, middleOf(sorted), kept));
}

export interface KrumOptions {
  /** f: how many clients may lie. */
  readonly byzantine: number;
  /** How many are averaged: 1 is Krum. At most n−f, which is also what is kept when nothing is said. */
  readonly keep?: number | undefined;
}

export function krumRule({ byzantine, keep }: KrumOptions): Rule {
  return {
    admission: { partialWork: 'keep' },
    traits: robustTraits(2 * byzantine + 3),
    combine(updates) {
      const rows = updates.map(({ delta }) => delta);
      const scores = krumScores(squaredDistances(rows), rows.length - byzantine - 2);
      const most = rows.length - byzantine;
      const chosen = byScore(scores).slice(0, Math.min(keep ?? most, most));
      return ok({
        delta: mean(inOrder(chosen).map((i) => rows[i] as Vector)),
        shares: shareOf(updates, chosen, scores),
      });
    },
  };
}

export function bulyanRule({ byzantine }: { readonly byzantine: number }): Rule {
  return {
    admission: { partialWork: 'keep' },
    traits: robustTraits(4 * byzantine + 3),
    combine(updates) {
      const rows = updates.map(({ delta }) => delta);
      const distances = squaredDistances(rows);
      const chosen = bulyanSelection(distances, byzantine);
      const scores = krumScores(distances, rows.length - byzantine - 2);
      return ok({
        delta: bulyanMean(
          inOrder(chosen).map((i) => rows[i] as Vector),
          byzantine,
        ),
        shares: shareOf(updates, chosen, scores).map(({ weight: _, ...share }) => share),
      });
    },
  };
}

const inOrder = (chosen: readonly number[]): readonly number[] => [...chosen].sort((a, b) => a - b);

function shareOf(
  updates: readonly ClientUpdate[],
  chosen: readonly number[],
  scores: readonly number[],
): Combined['shares'] {
  const used = new Set(chosen);
  return updates.map(({ client }, i) => {
    const score = scores[i] as number;
    return used.has(i)
      ? { client, used: true, weight: 1 / chosen.length, score }
      : { client, used: false, score, reason: 'not-chosen' };
  });
}
