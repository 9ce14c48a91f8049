// Local differential privacy: the device clips its update and adds noise before it leaves. The noise is always said in
// multiples of the clip; a sensitivity of its own could be set apart from the norm that is in truth kept.

import { assert } from '../assert.ts';
import { failure } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';
import { clipToGrid, gridSteps } from './clip.ts';
import { createDiscreteGaussian, noiseSigmaMax } from './discrete-gaussian.ts';
import type { RandomBytes } from './random-bytes.ts';

export interface LocalNoise {
  readonly clipNorm: number;
  /** z: the standard deviation is z·clipNorm. */
  readonly noiseMultiplier: number;
}

export const noiseMultiplierMax = noiseSigmaMax / gridSteps;

/** Clipped, in float32, with discrete Gaussian noise on a grid of clip/2²⁴. */
export function addLocalNoise(
  update: Float32Array,
  { clipNorm, noiseMultiplier }: LocalNoise,
  bytes: RandomBytes,
): Result<Float32Array> {
  assert(noiseMultiplier > 0, 'local noise is positive');
  if (noiseMultiplier > noiseMultiplierMax)
    return err(failure('invalid_argument', `local noise above ${noiseMultiplierMax} clips`));
  const clipped = clipToGrid(update, clipNorm);
  if (!clipped.ok) return clipped;
  const noised = Float64Array.from(clipped.value.steps);
  createDiscreteGaussian(noiseMultiplier * gridSteps, bytes).addTo(noised);
  const step = clipNorm / gridSteps;
  return ok(Float32Array.from(noised, (steps) => steps * step));
}
