// The exact binomial distribution function, in logarithms, so that no term overflows at n = 10⁵.

import { assert } from '@skerry/shared';

/** P(X ≤ successes), X ~ Binomial(trials, probability). */
export function binomialCdf(successes: number, trials: number, probability: number): number {
  assert(probability >= 0 && probability <= 1, 'a probability lies in 0…1');
  if (successes < 0) return 0;
  if (successes >= trials || probability === 0) return 1;
  if (probability === 1) return 0;
  const logOdds = Math.log(probability) - Math.log1p(-probability);
  let logTerm = trials * Math.log1p(-probability);
  let logSum = logTerm;
  for (let k = 1; k <= successes; k++) {
    logTerm += Math.log(trials - k + 1) - Math.log(k) + logOdds;
    logSum = addLogs(logSum, logTerm);
  }
  return Math.min(1, Math.exp(logSum));
}

/** log(eᵃ + eᵇ). */
function addLogs(a: number, b: number): number {
  const larger = Math.max(a, b);
  return larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
}
