// Differential privacy of a masked round, in which nobody ever has a sum without noise: each device adds a share before it
// masks (Kairouz, Liu and Steinke, arXiv 2102.06387). How many will be in a sum nobody knows before, so the plan's z is that of
// the fewest that may be, and that is what is counted. A sum of more has more noise.

import { type DistributedNoise, noiseMultiplierOfSum, shareSigma } from '@skerry/shared/privacy';
import { z } from 'zod';
import { noiseMultiplierMax } from './central-privacy.ts';
import type { Mechanism } from './subsampled-gaussian.ts';

export const distributedPrivacySchema = z.strictObject({
  /** z of a sum of `honestMin`. */
  noiseMultiplier: z.number().gt(0).max(noiseMultiplierMax),
  /** The L2 norm to which each device clips its own update. */
  clip: z.number().gt(0).max(1e6),
  /** So many of a sum are trusted to have added theirs; absent: the fewest that may be in one. */
  honestMin: z.int().min(1).max(64).optional(),
});
export type DistributedPrivacy = z.infer<typeof distributedPrivacySchema>;

/**
 * What one round costs. No device is hidden among those who were not asked, so no sampling is counted. For a sum of `values`
 * numbers.
 */
export const distributedMechanismOf = (noise: DistributedNoise, values: number): Mechanism => ({
  samplingRate: 1,
  noiseMultiplier: noiseMultiplierOfSum(noise, noise.honestMin, values),
});

/** The noise that a sum has as it came out: z, and σ of each number of its mean. */
export function noiseOfSum(
  noise: DistributedNoise,
  clients: number,
  values: number,
): { readonly noiseMultiplier: number; readonly noiseSigma: number } {
  const { clip, steps } = noise;
  return {
    noiseMultiplier: noiseMultiplierOfSum(noise, clients, values),
    noiseSigma: (shareSigma(noise) * Math.sqrt(clients) * clip) / steps / clients,
  };
}
