// The accountant the other way round: the least noise with which so many rounds stay within an ε.

import { err, failure, ok, type Result } from '@skerry/shared';
import { epsilonAfter, type Reading } from './accountant.ts';

export interface NoiseGoal extends Reading {
  readonly epsilon: number;
  readonly samplingRate: number;
  readonly rounds: number;
}

const firstGuess = 10;
const noiseMultiplierMax = 1e6;

/**
 * By bisection, until ε is within `tolerance` below its goal; never above it. Refuses a goal that no noise meets with these
 * orders: log(1/δ) over the largest is left of ε, however much noise there is.
 */
export function noiseMultiplierFor(goal: NoiseGoal, tolerance = 1e-6): Result<number> {
  const { epsilon, samplingRate, rounds } = goal;
  if (!(epsilon > 0 && Number.isFinite(epsilon)))
    return err(failure('invalid_argument', `ε must be positive and finite, not ${epsilon}`));
  const spent = (noiseMultiplier: number): number =>
    epsilonAfter(rounds, { samplingRate, noiseMultiplier }, goal).epsilon;
  let low = 0;
  let high = firstGuess;
  let reached = spent(high);
  while (reached > epsilon) {
    if (high > noiseMultiplierMax)
      return err(failure('invalid_argument', `no noise gives ε ${epsilon} with these orders`));
    low = high;
    high *= 2;
    reached = spent(high);
  }
  while (epsilon - reached > tolerance && high - low > Number.EPSILON * high) {
    const middle = (low + high) / 2;
    const there = spent(middle);
    if (there <= epsilon) [high, reached] = [middle, there];
    else low = middle;
  }
  return ok(high);
}
