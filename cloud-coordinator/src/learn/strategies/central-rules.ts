// Rules that look for a centre of the updates as wholes, and let no client pull it further than the others: the geometric
// median (RFA, Pillutla et al., arXiv 1912.13445), centred clipping (Karimireddy et al., arXiv 2012.10333) and clipping to a norm.
// Each client counts the same; what it claims of its examples is not looked at.

import { ok } from '@skerry/shared';
import type { Rule } from './combined-strategy.ts';
import { coordinateMedian, robustTraits } from './coordinate-rules.ts';
import type { ClientUpdate, Slots, Vector } from './strategy.ts';
import { medianOf, norm, squaredDistance, weightedSum } from './vectors.ts';

const centralClientsMin = 3;

export interface GeometricMedian {
  readonly centre: Float64Array<ArrayBuffer>;
  /** Of each row, adding up to 1. */
  readonly weights: readonly number[];
  readonly distances: readonly number[];
}

export interface GeometricMedianOptions {
  readonly iterationsMax: number;
  /** It is done when a step is shorter than this share of the centre's distance to the rows. */
  readonly tolerance: number;
  /** Nearer than this share of the median distance, the centre lies on a row. */
  readonly smoothing: number;
}

/**
 * Weiszfeld's iteration: the mean weighted by 1/distance, again and again. Where the centre lies on a row, whose weight would have
 * no bound, it stays or goes on as Vardi and Zhang show (PNAS 97(4), 2000). It begins at the coordinate-wise median: from the mean
 * a far liar would lead it half of the way there.
 */
export function geometricMedian(
  rows: readonly Vector[],
  { iterationsMax, tolerance, smoothing }: GeometricMedianOptions,
): GeometricMedian {
  const distancesTo = (from: Vector) => rows.map((row) => Math.sqrt(squaredDistance(row, from)));
  let centre = coordinateMedian(rows);
  let distances = distancesTo(centre);
  const near = (): number => smoothing * medianOf(distances);
  for (let i = 0; i < iterationsMax; i++) {
    const onIt = distances.filter((distance) => distance <= near()).length;
    // More than half of the rows at one point are the median.
    if (2 * onIt > rows.length) break;
    const pulls = distances.map((distance) => (distance <= near() ? 0 : 1 / distance));
    const total = pulls.reduce((sum, pull) => sum + pull, 0);
    const others = weightedSum(
      rows,
      pulls.map((pull) => pull / total),
    );
    const pull = total * Math.sqrt(squaredDistance(others, centre));
    if (pull <= onIt) break;
    const moved = others.map((to, k) => (1 - onIt / pull) * (to - (centre[k] as number)));
    centre = centre.map((value, k) => value + (moved[k] as number));
    distances = distancesTo(centre);
    if (norm(moved) <= tolerance * medianOf(distances)) break;
  }
  const shares = distances.map((distance) => 1 / Math.max(distance, near(), Number.MIN_VALUE));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return {
    centre,
    weights: shares.map((share) => (total === Infinity ? 1 / rows.length : share / total)),
    distances,
  };
}

export function geometricMedianRule(options: GeometricMedianOptions): Rule {
  return {
    admission: { partialWork: 'keep' },
    traits: robustTraits(centralClientsMin),
    combine(updates) {
      const { centre, weights, distances } = geometricMedian(
        updates.map(({ delta }) => delta),
        options,
      );
      return ok({
        delta: centre,
        shares: updates.map(({ client }, i) => ({
          client,
          used: true,
          weight: weights[i] as number,
          score: distances[i] as number,
        })),
      });
    },
  };
}

/** v ← v + mean of (rowᵢ − v) cut to length `radius`, so many times; `median`: to the median of their lengths, anew each time. */
export function centredClip(
  rows: readonly Vector[],
  start: Vector,
  radius: number | 'median',
  iterations: number,
): Float64Array<ArrayBuffer> {
  let centre = Float64Array.from(start);
  for (let i = 0; i < iterations; i++) {
    const distances = rows.map((row) => Math.sqrt(squaredDistance(row, centre)));
    const limit = radius === 'median' ? medianOf(distances) : radius;
    const factors = distances.map((distance) => clipFactor(distance, limit));
    const total = factors.reduce((sum, factor) => sum + factor, 0);
    const pulled = weightedSum(
      rows,
      factors.map((factor) => factor / rows.length),
    );
    centre = pulled.map((value, k) => value + (1 - total / rows.length) * (centre[k] as number));
  }
  return centre;
}

/** What a vector of this length is multiplied by; one of no length stays what it is. */
const clipFactor = (length: number, bound: number): number =>
  length <= bound ? 1 : bound / length;

export interface CentredClippingOptions {
  readonly radius: number | 'median';
  readonly iterations: number;
  /**
   * Where the centre begins. `previous`: at the last aggregate, and at no change in the first round, as in the paper; `median`: at
   * the coordinate-wise median. Not at the mean, which the liars have moved already.
   */
  readonly start: 'previous' | 'median';
  /**
   * β of the momentum that each client's updates are averaged with. The paper needs it against liars who act over many rounds;
   * it costs a vector for each client, so it is for a few clients that come in every round.
   */
  readonly momentum: number;
}

/** So many clients have a momentum kept for them; the ones after them have no part. */
export const clientHistoriesMax = 64;
const historyPrefix = 'momentum of ';

export function centredClippingRule(options: CentredClippingOptions): Rule {
  const { radius, iterations, start, momentum } = options;
  return {
    admission: { partialWork: 'keep' },
    traits: robustTraits(centralClientsMin),
    initialize: (size) => ({ centre: new Float64Array(size) }),
    combine(updates, slots) {
      const histories = momentum === 0 ? {} : remember(updates, slots, momentum);
      const rowOf = ({ client, delta }: ClientUpdate): Vector | undefined =>
        momentum === 0 ? delta : histories[historyPrefix + client];
      const rows = updates.flatMap((update) => rowOf(update) ?? []);
      const before = slots['centre'] as Float64Array<ArrayBuffer>;
      const from = start === 'previous' ? before : coordinateMedian(rows);
      const centre = centredClip(rows, from, radius, iterations);
      const distanceOf = (row: Vector): number => Math.sqrt(squaredDistance(row, centre));
      return ok({
        delta: centre,
        shares: updates.map((update) => {
          const { client } = update;
          const row = rowOf(update);
          return row === undefined
            ? { client, used: false, reason: 'no-room-for-history' as const }
            : { client, used: true, score: distanceOf(row) };
        }),
        slots: { ...histories, centre },
      });
    },
  };
}

/** mᵢ = β·mᵢ + (1−β)·Δᵢ, of those who came; of the others as it was. */
function remember(updates: readonly ClientUpdate[], slots: Slots, momentum: number): Slots {
  const histories = Object.fromEntries(
    Object.entries(slots).filter(([name]) => name.startsWith(historyPrefix)),
  );
  for (const { client, delta } of updates) {
    const name = historyPrefix + client;
    const before = histories[name];
    if (before === undefined && Object.keys(histories).length >= clientHistoriesMax) continue;
    histories[name] = Float64Array.from(
      delta,
      (value, i) => momentum * (before?.[i] ?? 0) + (1 - momentum) * value,
    );
  }
  return histories;
}

/** The mean of updates cut to a norm: a number, or the median of the norms of those who came. */
export function normClippingRule({ bound }: { readonly bound: number | 'median' }): Rule {
  return {
    admission: { partialWork: 'keep' },
    traits: robustTraits(bound === 'median' ? centralClientsMin : 1),
    combine(updates) {
      const rows = updates.map(({ delta }) => delta);
      const norms = rows.map(norm);
      const limit = bound === 'median' ? medianOf(norms) : bound;
      const weights = norms.map((length) => clipFactor(length, limit) / rows.length);
      return ok({
        delta: weightedSum(rows, weights),
        shares: updates.map(({ client }, i) => ({
          client,
          used: true,
          weight: weights[i] as number,
          score: norms[i] as number,
        })),
      });
    },
  };
}
