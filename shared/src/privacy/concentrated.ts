// Gaussian noise without sampling, any number of times: ρ-zCDP, a divergence of αρ at every order α (Bun and Steinke, arXiv
// 1605.02065). It adds up, and the discrete Gaussian has it too (Canonne, Kamath and Steinke, theorem 4): what a device that
// noises its own updates has to count.

import { assert } from '../assert.ts';
import { failure } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';
import { type Conversion, epsilonAtOrder } from './conversions.ts';

/** ρ of noise of standard deviation z in multiples of the sensitivity. */
export const rhoOf = (noiseMultiplier: number): number => 1 / (2 * noiseMultiplier ** 2);

const orderMax = 1e9;
/** Each step leaves two thirds of the bracket: more than a double can tell. */
const narrowings = 120;

/** The least ε over all orders, which are sought by their logarithm less one. */
export function epsilonOfRho(rho: number, delta: number, conversion: Conversion): number {
  assert(rho >= 0 && delta > 0 && delta < 1, 'ρ is not negative, δ lies between nought and one');
  if (rho === 0) return 0;
  const at = (log: number): number => {
    const order = 1 + Math.exp(log);
    return epsilonAtOrder(conversion, rho * order, order, delta);
  };
  let low = -Math.log(orderMax);
  let high = Math.log(orderMax);
  for (let i = 0; i < narrowings; i++) {
    const third = (high - low) / 3;
    if (at(low + third) <= at(high - third)) high -= third;
    else low += third;
  }
  return at((low + high) / 2);
}

export interface LocalBudget {
  readonly epsilonMax: number;
  readonly delta: number;
}

/**
 * What a device will have spent, as ρ, once it sends one more update with this noise: to be durable before that is sent. Refused
 * with `budget_spent` beyond its budget, which is the device's own and not the run's.
 */
export function chargeLocalNoise(
  spentRho: number,
  noiseMultiplier: number,
  { epsilonMax, delta }: LocalBudget,
): Result<number> {
  if (!(noiseMultiplier > 0))
    return err(failure('invalid_argument', 'an update without noise is not private'));
  const rho = spentRho + rhoOf(noiseMultiplier);
  const epsilon = epsilonOfRho(rho, delta, 'canonne-kamath-steinke');
  if (epsilon <= epsilonMax) return ok(rho);
  return err(
    failure(
      'budget_spent',
      `another update would bring ε to ${epsilon.toFixed(4)}, of ${epsilonMax}`,
    ),
  );
}
