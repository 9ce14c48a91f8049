// Noise where nobody is trusted with a sum that has none: each client adds a share to its own whole numbers before they are
// masked, so that what is unmasked has the noise of all who answered (Kairouz, Liu and Steinke, "The Distributed Discrete
// Gaussian Mechanism", arXiv 2102.06387).

import { assert } from '../assert.ts';
import { failure } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';
import { clipToGrid, gridSteps } from './clip.ts';
import { createDiscreteGaussian } from './discrete-gaussian.ts';
import type { RandomBytes } from './random-bytes.ts';

export interface DistributedNoise {
  readonly clip: number;
  /** z of the sum, once `honestMin` clients are in it. */
  readonly noiseMultiplier: number;
  /** So few are counted on: who survives a round, less those who may tell the server what noise they have added. */
  readonly honestMin: number;
  /** What the clip is cut into. */
  readonly steps: number;
}

/** A share's standard deviation, in steps. */
export const shareSigma = ({ noiseMultiplier, steps, honestMin }: DistributedNoise): number =>
  (noiseMultiplier * steps) / Math.sqrt(honestMin);

/** Below it a sum of discrete Gaussians is no longer nearly one. */
const shareSigmaMin = 2;
/** The sum's noise is beyond it with a chance of e⁻⁷². */
const reachSigmas = 12;

/**
 * The finest grid on which a sum with its noise stays within a ring of so many bits: the largest power of two. Refused where
 * the shares would be too coarse.
 */
export function distributedNoise(
  plan: Omit<DistributedNoise, 'steps'>,
  { clientsMax, ringBits }: { readonly clientsMax: number; readonly ringBits: number },
): Result<DistributedNoise> {
  const { noiseMultiplier, honestMin } = plan;
  assert(honestMin >= 1 && honestMin <= clientsMax, 'of the clients some are honest');
  const noiseMax = noiseMultiplier * Math.sqrt(clientsMax / honestMin);
  const room = 2 ** (ringBits - 1) / (clientsMax + reachSigmas * noiseMax);
  const steps = Math.min(gridSteps, 2 ** Math.floor(Math.log2(room)));
  const noise = { ...plan, steps };
  if (steps >= 1 && shareSigma(noise) >= shareSigmaMin) return ok(noise);
  return err(failure('invalid_argument', `a ring of ${ringBits} bits is too small for this noise`));
}

/** A client's clipped update with its share, as words of the ring Z/2³²; whoever takes fewer bits takes the lowest. */
export function noisedShare(
  update: Float32Array,
  noise: DistributedNoise,
  bytes: RandomBytes,
): Result<Uint32Array> {
  const clipped = clipToGrid(update, noise.clip, noise.steps);
  if (!clipped.ok) return clipped;
  const { steps } = clipped.value;
  createDiscreteGaussian(shareSigma(noise), bytes).addTo(steps);
  return ok(new Uint32Array(steps.buffer));
}

/** What a sum in the ring says, in the clip's unit. */
export function readNoisedSum(
  sum: Uint32Array,
  { clip, steps }: DistributedNoise,
  ringBits = 32,
): Float64Array {
  const unused = 32 - ringBits;
  return Float64Array.from(sum, (word) => (((word << unused) >> unused) * clip) / steps);
}

/**
 * z of the sum as it came out, for the ledger: with fewer honest clients than were counted on it is less. A sum of n discrete
 * Gaussians differs from one by τ a value (theorem 1 there), which is counted as so much more sensitivity.
 */
export function noiseMultiplierOfSum(
  noise: DistributedNoise,
  honest: number,
  values: number,
): number {
  const z = noise.noiseMultiplier * Math.sqrt(honest / noise.honestMin);
  const variance = shareSigma(noise) ** 2;
  let tau = 0;
  for (let k = 1; k < honest; k++)
    tau += 10 * Math.exp((-2 * Math.PI ** 2 * variance * k) / (k + 1));
  return 1 / (1 / z + tau * Math.sqrt(values));
}
