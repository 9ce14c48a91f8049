// Central differential privacy of one round (McMahan, Ramage, Talwar and Zhang, arXiv 1710.06963): each update is clipped to C,
// all weigh the same, their sum has noise z·C, and it is divided by how many were expected, not by how many came. Whole numbers
// on a grid of C/2²⁴, so that what is added up and what noise is drawn are exact.

import { assert, err, failure, ok, type Result } from '@skerry/shared';
import {
  clipToGrid,
  createDiscreteGaussian,
  gridSteps,
  type RandomBytes,
} from '@skerry/shared/privacy';
import { z } from 'zod';
import { adaptClip, splitNoise } from './adaptive-clip.ts';
import type { Mechanism } from './subsampled-gaussian.ts';

/** So that noise stays within what its sampler can draw. */
export const noiseMultiplierMax = 60;

const normSchema = z.number().gt(0).max(1e6);

export const centralPrivacySchema = z.strictObject({
  /** z: what sum and count together cost. */
  noiseMultiplier: z.number().gt(0).max(noiseMultiplierMax),
  /** q: each client is drawn on its own with this probability (`samplePoisson`). */
  samplingRate: z.number().gt(0).max(1),
  /** N: the clients that a sample is drawn from, fixed for the run. */
  clients: z.int().min(1).max(1_000_000),
  clip: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('fixed'), norm: normSchema }),
    z.strictObject({
      kind: z.literal('adaptive'),
      initial: normSchema,
      quantile: z.number().min(0).max(1).default(0.5),
      learningRate: z.number().gt(0).max(1).default(0.2),
      /** σ_b. Below one the discrete Gaussian is no longer the continuous one to a double's last digit. */
      countNoise: z.number().min(1).max(1e6),
    }),
  ]),
});
export type CentralPrivacy = z.infer<typeof centralPrivacySchema>;

export interface PrivateUpdate {
  readonly client: string;
  readonly delta: Float32Array;
}

export interface PrivateMean {
  readonly mean: Float64Array;
  /** For the round that follows. */
  readonly clip: number;
  /** Of the mean, each value's: what may be printed beside it. */
  readonly noiseSigma: number;
}

/** The clip of the first round. */
export const initialClip = ({ clip }: CentralPrivacy): number =>
  clip.kind === 'fixed' ? clip.norm : clip.initial;

/** What one round costs, to be committed before `privateMean` is called. */
export const mechanismOf = ({ samplingRate, noiseMultiplier }: CentralPrivacy): Mechanism => ({
  samplingRate,
  noiseMultiplier,
});

/** The noise that the sum has, which is more than z where a count is released too. */
export function sumNoiseMultiplier({ noiseMultiplier, clip }: CentralPrivacy): Result<number> {
  if (clip.kind === 'fixed') return ok(noiseMultiplier);
  const split = splitNoise(noiseMultiplier, clip.countNoise);
  if (!split.ok || split.value <= noiseMultiplierMax) return split;
  return err(
    failure('invalid_argument', 'the count of the adaptive clip takes nearly all of the privacy'),
  );
}

/**
 * The mean of a sample's updates, of so many values each, with noise. Nobody in the sample, or nobody who answered, is an
 * outcome like any other and has noise too. Fails where an update is of another length or not finite: it is to be left out
 * before, as one that did not come. There is no weight: it would be a client's own say on how far it moves the sum.
 */
export function privateMean(
  privacy: CentralPrivacy,
  round: {
    readonly clip: number;
    readonly size: number;
    readonly updates: readonly PrivateUpdate[];
  },
  bytes: RandomBytes,
): Result<PrivateMean> {
  const { clip, size, updates } = round;
  const noise = sumNoiseMultiplier(privacy);
  if (!noise.ok) return noise;
  if (new Set(updates.map(({ client }) => client)).size !== updates.length)
    return err(failure('invalid_argument', 'a client counts once'));
  const sum = new Float64Array(size);
  let balance = 0;
  for (const { client, delta } of updates) {
    if (delta.length !== size)
      return err(failure('invalid_argument', `${client} sent ${delta.length} values of ${size}`));
    const clipped = clipToGrid(delta, clip);
    if (!clipped.ok) return clipped;
    addTo(sum, clipped.value.steps);
    balance += clipped.value.within ? 1 : -1;
  }
  createDiscreteGaussian(noise.value * gridSteps, bytes).addTo(sum);
  const expected = privacy.samplingRate * privacy.clients;
  const scale = clip / gridSteps / expected;
  return ok({
    mean: sum.map((steps) => steps * scale),
    clip: nextClip(privacy, clip, balance, bytes),
    noiseSigma: (noise.value * clip) / expected,
  });
}

/** `balance`: those within the clip less those beyond it, so that a client moves it by one. */
function nextClip(
  { clip: rule, ...privacy }: CentralPrivacy,
  clip: number,
  balance: number,
  bytes: RandomBytes,
): number {
  if (rule.kind === 'fixed') return clip;
  // σ_b of a count of halves is 2σ_b of one of wholes.
  const noised = balance + createDiscreteGaussian(2 * rule.countNoise, bytes).sample();
  const share = 0.5 + noised / 2 / (privacy.samplingRate * privacy.clients);
  // What is beyond a share is noise; without a bound one round's could throw the clip anywhere.
  return adaptClip(clip, rule, Math.min(1, Math.max(0, share)));
}

function addTo(sum: Float64Array, steps: Int32Array): void {
  assert(sum.length === steps.length, 'one length');
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (steps[i] as number);
}
