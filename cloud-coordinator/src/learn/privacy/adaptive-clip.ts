// The clip follows the clients: the norm moves to a quantile of their updates' norms, which is itself estimated with noise
// (Andrew, Thakkar, McMahan and Ramaswamy, arXiv 1905.03871). b = 1 for an update *within* the norm, and more of them than
// asked for bring it down; with the sign turned round it runs away to nought or to infinity.

import { err, failure, ok, type Result } from '@skerry/shared';

export interface AdaptiveClip {
  /** γ: the share of updates that are to be within the norm. */
  readonly quantile: number;
  /** η of the geometric step. */
  readonly learningRate: number;
  /** σ_b: the noise's standard deviation on the count of those within it. */
  readonly countNoise: number;
}

/** C ← C·exp(−η(b̄ − γ)), where `share` is b̄ as it was released, noise and all. */
export const adaptClip = (clip: number, adaptive: AdaptiveClip, share: number): number =>
  clip * Math.exp(-adaptive.learningRate * (share - adaptive.quantile));

/**
 * z_Δ = (z⁻² − (2σ_b)⁻²)^−½: with what noise the sum is released so that sum and count together cost what z alone would. A
 * count in which a client is −½ or +½ has sensitivity ½. Refuses a count that would take all of it.
 */
export function splitNoise(noiseMultiplier: number, countNoise: number): Result<number> {
  const left = noiseMultiplier ** -2 - (2 * countNoise) ** -2;
  if (noiseMultiplier > 0 && countNoise > 0 && left > 0) return ok(left ** -0.5);
  return err(
    failure(
      'invalid_argument',
      `a count with noise ${countNoise} leaves nothing of ${noiseMultiplier} for the sum: above ${noiseMultiplier / 2} it may be`,
    ),
  );
}
