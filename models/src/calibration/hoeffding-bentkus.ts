// The p-value of "risk > ε" for losses anywhere in 0…1 (Bates et al., arXiv 2101.02703, §3.1).

import { assert } from '@skerry/shared';
import { binomialCdf } from './binomial.ts';

/** The smaller of Hoeffding's tail in its relative-entropy form and Bentkus's, e · P(Binomial(n, ε) ≤ ⌈n · risk⌉). */
export function hoeffdingBentkus(meanLoss: number, n: number, epsilon: number): number {
  assert(epsilon > 0 && epsilon < 1, 'the null hypothesis names a risk between 0 and 1');
  const hoeffding = Math.exp(-n * relativeEntropy(Math.min(meanLoss, epsilon), epsilon));
  // A sum of losses that is a whole number but for rounding must not count as one more.
  const losses = Math.ceil(n * meanLoss - 1e-9);
  return Math.min(1, hoeffding, Math.E * binomialCdf(losses, n, epsilon));
}

/** Of Bernoulli(a) to Bernoulli(b), in nats. */
function relativeEntropy(a: number, b: number): number {
  const term = (p: number, q: number): number => (p === 0 ? 0 : p * Math.log(p / q));
  return term(a, b) + term(1 - a, 1 - b);
}
