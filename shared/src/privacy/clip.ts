// Clipping: how far one client may move the sum. What is not finite is refused before it is measured, since min(1, C/NaN) is no
// bound, and an update of noughts has no length to divide by.

import { assert } from '../assert.ts';
import { failure } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';

/** A clipped update in whole steps of clip/`gridSteps`: what is added up, exactly, and what noise is added to. */
export interface Clipped {
  readonly steps: Int32Array;
  /** Whether it was within the clip as it came. */
  readonly within: boolean;
}

/** Steps that a vector as long as the clip has; its square still leaves a double room to be exact. */
export const gridSteps = 2 ** 24;

/** The L2 norm, summed in doubles: float32 cannot overflow it. Fails where a value is not finite. */
export function l2Norm(update: ArrayLike<number>): Result<number> {
  let squares = 0;
  for (let i = 0; i < update.length; i++) squares += (update[i] as number) ** 2;
  if (Number.isFinite(squares)) return ok(Math.sqrt(squares));
  return err(failure('invalid_argument', 'an update has values that are not finite'));
}

/** Scaled down to the norm where it is longer; a copy. */
export function clipToNorm(update: Float32Array, clip: number): Result<Float32Array> {
  assert(clip > 0, 'a clip is positive');
  const norm = l2Norm(update);
  if (!norm.ok) return norm;
  const scale = scaleTo(clip, norm.value);
  return ok(scale === 1 ? update.slice() : update.map((x) => x * scale));
}

/**
 * Clipped and cut to the grid, towards nought, so that rounding lengthens nothing: the whole numbers' norm is at most `steps`,
 * checked on them and not on what they came from.
 */
export function clipToGrid(update: Float32Array, clip: number, steps = gridSteps): Result<Clipped> {
  assert(clip > 0 && Number.isFinite(clip), 'a clip is positive and finite');
  assert(Number.isInteger(steps) && steps >= 1 && steps <= gridSteps, 'steps lie in 1…2²⁴');
  const norm = l2Norm(update);
  if (!norm.ok) return norm;
  const cut = new Int32Array(update.length);
  let scale = scaleTo(clip, norm.value) * (steps / clip);
  // The first cut holds but for a rounding error in `scale`.
  while (cutTo(cut, update, scale) > steps * steps) scale *= 1 - 2 ** -40;
  return ok({ steps: cut, within: norm.value <= clip });
}

const scaleTo = (clip: number, norm: number): number => (norm > clip ? clip / norm : 1);

/** The squares' sum: whole numbers below 2⁵³, so exact wherever it is compared. */
function cutTo(cut: Int32Array, update: Float32Array, scale: number): number {
  let squares = 0;
  for (let i = 0; i < cut.length; i++) {
    const step = Math.trunc((update[i] as number) * scale);
    cut[i] = step;
    squares += step * step;
  }
  return squares;
}
