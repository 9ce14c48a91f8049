// The exit threshold, by one of three methods, each naming what it guarantees. All of them try thresholds from the most
// conservative down, and keep the last that passes before the first that does not.
//
// Risk is the mean over all examples of the loss of those that are answered here, so answering nothing has risk 0, and
// lowering the threshold never lowers the risk: what every method below rests on.

import { binomialCdf } from './binomial.ts';
import { hoeffdingBentkus } from './hoeffding-bentkus.ts';

export interface RiskBound {
  /** The risk that is allowed. */
  readonly epsilon: number;
  /** The probability, over calibration sets, that it is exceeded all the same. Only learn-then-test knows one. */
  readonly delta: number;
}

/** One held-out example: how sure the exit was, and what answering it here would have cost, 0…1. */
export interface Outcome {
  /** `neverAnswered` where the input was out of domain. */
  readonly confidence: number;
  readonly loss: number;
}

/** Below every threshold. */
export const neverAnswered = -1;

export type Threshold =
  /** Answer here when confidence ≥ threshold. `loss` is the answered examples' sum. */
  | { readonly threshold: number; readonly answered: number; readonly loss: number }
  /** Escalate everything, and why. */
  | { readonly threshold: null; readonly reason: string };

/** What is known when a threshold is judged: the loss of those that it answers, out of n. */
interface Judged extends RiskBound {
  readonly loss: number;
  readonly n: number;
  /** Whether each loss is 0 or 1: then the exact binomial tail is the p-value. */
  readonly binary: boolean;
}

interface Method {
  readonly guarantee: string;
  /** Fewest examples at which even no loss at all can pass. */
  minimumExamples(bound: RiskBound): number;
  passes(judged: Judged): boolean;
}

export const methods = {
  // Angelopoulos et al., arXiv 2110.01052, by fixed-sequence testing: each threshold has the null hypothesis "its risk
  // exceeds ε"; the first that is not rejected at level δ ends the sequence. Finite n, any distribution.
  'learn-then-test': {
    guarantee: 'P(risk ≤ ε) ≥ 1 − δ over calibration sets',
    // (1 − ε)ⁿ ≤ δ.
    minimumExamples: ({ epsilon, delta }) => Math.ceil(Math.log(delta) / Math.log1p(-epsilon)),
    passes: ({ loss, n, epsilon, delta, binary }) =>
      (binary ? binomialCdf(loss, n, epsilon) : hoeffdingBentkus(loss / n, n, epsilon)) <= delta,
  },
  // Angelopoulos et al., arXiv 2208.02814, for losses of at most 1.
  'conformal-risk-control': {
    guarantee: 'E[risk] ≤ ε over calibration sets, and nothing about any one of them',
    minimumExamples: ({ epsilon }) => Math.ceil(1 / epsilon - 1),
    passes: ({ loss, n, epsilon }) => (loss + 1) / (n + 1) <= epsilon,
  },
  // What is usually done.
  quantile: {
    guarantee: 'none: the risk on the calibration set itself is at most ε',
    minimumExamples: () => 1,
    passes: ({ loss, n, epsilon }) => loss / n <= epsilon,
  },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;
export const methodNames = Object.keys(methods) as [MethodName, ...MethodName[]];

/**
 * Candidates, from the most conservative: a grid that is fixed before the data is seen, as a sequence of tests must be.
 * It is even in log-odds, 0.999999…0.0: confident models crowd near 1.
 */
export const thresholdGrid: readonly number[] = [
  ...Array.from({ length: 400 }, (_, i) => 1 / (1 + Math.exp(-(14 - i * 0.04)))),
  0,
];

export interface ChooseOptions extends RiskBound {
  readonly method: MethodName;
  readonly binary: boolean;
}

export function chooseThreshold(outcomes: readonly Outcome[], options: ChooseOptions): Threshold {
  const method: Method = methods[options.method];
  const needed = method.minimumExamples(options);
  const n = outcomes.length;
  const asked = `a risk of ${options.epsilon}${options.method === 'learn-then-test' ? ` at δ = ${options.delta}` : ''}`;
  if (n < needed)
    return {
      threshold: null,
      reason: `${n} examples cannot show ${asked}; ${needed} can: escalate everything`,
    };
  let last: Threshold = {
    threshold: null,
    reason: `no threshold keeps ${asked}: escalate everything`,
  };
  const ranked = outcomes.toSorted((a, b) => b.confidence - a.confidence);
  let answered = 0;
  let loss = 0;
  for (const threshold of thresholdGrid) {
    for (; (ranked[answered]?.confidence ?? neverAnswered) >= threshold; answered++)
      loss += ranked[answered]?.loss ?? 0;
    if (!method.passes({ ...options, loss, n })) return last;
    last = { threshold, answered, loss };
  }
  return last;
}
