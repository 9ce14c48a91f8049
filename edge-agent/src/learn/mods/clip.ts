// Clips an update to an L2 norm on the device, before anybody else sees it: min(1, C / ‖u‖), and a zero update stays zero.

import { err, failure, ok } from '@skerry/shared';
import { changeTrained, type TrainMod } from '../client-app.ts';

export const clip = (norm: number): TrainMod =>
  changeTrained((reply) => {
    const size = normOf(reply.delta);
    // min(1, C / NaN) bounds nothing.
    if (!Number.isFinite(size))
      return err(failure('runtime_failed', 'an update that is not finite cannot be clipped'));
    const clipped = size > norm;
    const delta = clipped ? scaled(reply.delta, norm / size) : reply.delta;
    return ok({ ...reply, delta, metrics: { ...reply.metrics, clipped: Number(clipped) } });
  });

/** In float64. */
export function normOf(vector: Float32Array): number {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.sqrt(squares);
}

/** float32 may round up: the factor is made smaller until the norm holds. */
function scaled(vector: Float32Array, factor: number): Float32Array {
  return vector.map((value) => value * factor * (1 - 2 ** -22));
}
