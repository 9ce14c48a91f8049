// The exit threshold, with a guarantee: Learn then Test (Angelopoulos et al., arXiv 2110.01052) by fixed-sequence
// testing. Thresholds are tried from the most conservative down; each has the null hypothesis "its risk exceeds ε", which
// an exact binomial p-value rejects at level δ; the first that is not rejected ends the sequence, and the last that was
// is the answer. So, over the draw of the calibration set, P(risk ≤ ε) ≥ 1 − δ, for a finite n and any distribution.
//
// Risk is P(answered at this exit and wrong): its mean runs over all examples, so answering nothing has risk 0.

import { binomialCdf } from './binomial.ts';

export interface RiskBound {
  /** The risk that is allowed. */
  readonly epsilon: number;
  /** The probability, over calibration sets, that it is exceeded all the same. */
  readonly delta: number;
}

/** One held-out example: how sure the exit was, and whether it was right. */
export interface Outcome {
  readonly confidence: number;
  readonly correct: boolean;
}

export type Threshold =
  /** Answer here when confidence ≥ threshold. */
  | { readonly threshold: number; readonly answered: number; readonly wrong: number }
  /** Escalate everything, and why. */
  | { readonly threshold: null; readonly reason: string };

/** Fewest examples at which even no error at all can pass: (1 − ε)ⁿ ≤ δ. */
export function minimumExamples({ epsilon, delta }: RiskBound): number {
  return Math.ceil(Math.log(delta) / Math.log1p(-epsilon));
}

/**
 * Candidates, from the most conservative: a grid that is fixed before the data is seen, as the sequence must be. It is
 * even in log-odds, 0.999999…0.0: confident models crowd near 1.
 */
export const thresholdGrid: readonly number[] = [
  ...Array.from({ length: 400 }, (_, i) => 1 / (1 + Math.exp(-(14 - i * 0.04)))),
  0,
];

export function learnThenTest(outcomes: readonly Outcome[], bound: RiskBound): Threshold {
  const needed = minimumExamples(bound);
  if (outcomes.length < needed)
    return {
      threshold: null,
      reason: `${outcomes.length} examples cannot show a risk of ${bound.epsilon} at δ = ${bound.delta}; ${needed} can: escalate everything`,
    };
  let last: Threshold = {
    threshold: null,
    reason: `no threshold keeps the risk within ${bound.epsilon} at δ = ${bound.delta}: escalate everything`,
  };
  const ranked = outcomes.toSorted((a, b) => b.confidence - a.confidence);
  let answered = 0;
  let wrong = 0;
  for (const threshold of thresholdGrid) {
    for (; (ranked[answered]?.confidence ?? -1) >= threshold; answered++)
      if (!ranked[answered]?.correct) wrong++;
    // The p-value of "risk > ε": few errors are improbable when the risk is that large.
    if (binomialCdf(wrong, outcomes.length, bound.epsilon) > bound.delta) return last;
    last = { threshold, answered, wrong };
  }
  return last;
}
