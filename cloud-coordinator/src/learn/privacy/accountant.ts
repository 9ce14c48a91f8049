// How much privacy rounds have cost: Rényi divergences add up over rounds, order by order (Mironov, arXiv 1702.07476), and
// at the end a conversion makes an (ε, δ) of them.

import { assert } from '@skerry/shared';
import { type Conversion, epsilonAtOrder } from '@skerry/shared/privacy';
import { type Mechanism, subsampledGaussianRdp } from './subsampled-gaussian.ts';

/** How an ε is to be read off. */
export interface Reading {
  readonly delta: number;
  readonly conversion: Conversion;
  readonly orders: readonly number[];
}

export interface Epsilon {
  readonly epsilon: number;
  /** The Rényi order at which it was found: at an end of the list, a longer list would find less. */
  readonly order: number;
}

/** Divergences of one round, by order. */
export const rdpOf = (mechanism: Mechanism, orders: readonly number[]): readonly number[] =>
  orders.map((order) => subsampledGaussianRdp(mechanism, order));

export function epsilonOf(rdp: readonly number[], reading: Reading): Epsilon {
  const { delta, conversion, orders } = reading;
  assert(delta > 0 && delta < 1, 'δ lies between nought and one');
  assert(rdp.length === orders.length && orders.length > 0, 'a divergence for each order');
  let best: Epsilon = { epsilon: Number.POSITIVE_INFINITY, order: orders[0] as number };
  orders.forEach((order, i) => {
    const epsilon = epsilonAtOrder(conversion, rdp[i] as number, order, delta);
    if (epsilon < best.epsilon) best = { epsilon, order };
  });
  return best;
}

/** The cost of so many rounds of one mechanism. */
export function epsilonAfter(rounds: number, mechanism: Mechanism, reading: Reading): Epsilon {
  const once = rdpOf(mechanism, reading.orders);
  return epsilonOf(
    once.map((rdp) => (rounds === 0 ? 0 : rdp * rounds)),
    reading,
  );
}
