// The Gaussian mechanism once, of sensitivity one: exactly which (ε, δ) a standard deviation gives (Balle and Wang, "Improving
// the Gaussian Mechanism for Differential Privacy", arXiv 1805.06530, theorem 8), and back.

import { err, failure, ok, type Result } from '@skerry/shared';
import { logNormalCdf } from './log-erfc.ts';

/** δ(ε) of Gaussian noise of standard deviation `sigma`. */
export function gaussianDelta(sigma: number, epsilon: number): number {
  const [shift, slope] = [1 / (2 * sigma), epsilon * sigma];
  const larger = logNormalCdf(shift - slope);
  const smaller = epsilon + logNormalCdf(-shift - slope);
  return smaller >= larger ? 0 : -Math.exp(larger) * Math.expm1(smaller - larger);
}

/** Each step halves the bracket: more than a double can tell. */
const bisections = 80;

/** The least σ that gives (ε, δ); refuses an ε or a δ that nothing gives. */
export function gaussianSigma(epsilon: number, delta: number): Result<number> {
  const refusal = refuse(epsilon, delta);
  if (refusal) return err(refusal);
  let [low, high] = [0, 1];
  while (gaussianDelta(high, epsilon) > delta) high *= 2;
  for (let i = 0; i < bisections; i++) {
    const middle = (low + high) / 2;
    if (gaussianDelta(middle, epsilon) > delta) low = middle;
    else high = middle;
  }
  return ok(high);
}

/**
 * √(2 ln(1.25/δ))/ε (Dwork and Roth, theorem A.1), the formula that is quoted everywhere. It is proved for ε < 1 alone, and from
 * there on gives less noise than (ε, δ) needs: refused. For comparison; `gaussianSigma` is never larger.
 */
export function classicGaussianSigma(epsilon: number, delta: number): Result<number> {
  const refusal = refuse(epsilon, delta);
  if (refusal) return err(refusal);
  if (epsilon >= 1)
    return err(
      failure('invalid_argument', `√(2 ln(1.25/δ))/ε is proved for ε < 1, not ${epsilon}`),
    );
  return ok(Math.sqrt(2 * Math.log(1.25 / delta)) / epsilon);
}

function refuse(epsilon: number, delta: number) {
  if (!(epsilon > 0 && Number.isFinite(epsilon)))
    return failure('invalid_argument', `ε must be positive and finite, not ${epsilon}`);
  if (!(delta > 0 && delta < 1))
    return failure('invalid_argument', `δ must lie between nought and one, not ${delta}`);
  return undefined;
}
