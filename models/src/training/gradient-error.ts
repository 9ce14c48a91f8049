// How far a backend's gradient is from what its own loss says, by central differences: what a backend must show before
// it is trusted with a model, since a wrong gradient still lowers a loss, only not to where it should.

import { createRandom, ok, type Random, type Result } from '@skerry/shared';
import { tensorsOf } from './trainable.ts';
import type { Trainer, TrainingExamples } from './trainer.ts';

export interface GradientCheck {
  readonly seed: number;
  /** Directions for each tensor of weights. */
  readonly directions?: number;
}

/** How far to go along a direction: much further, and it steps over kinks of ReLU; much less, and float32 is too coarse. */
const step = 1e-3;

/**
 * The largest difference, over directions in which the gradient itself points on half of a tensor's weights, of the loss's
 * slope and what the gradient says it is; as a share of the latter, or of 0.01 where that is less. Fails as `gradient`.
 */
export async function gradientError(
  trainer: Trainer,
  parameters: Float32Array<ArrayBuffer>,
  examples: TrainingExamples,
  { seed, directions = 2 }: GradientCheck,
): Promise<Result<number>> {
  const random = createRandom(seed);
  const computed = await trainer.gradient(parameters, examples);
  if (!computed.ok) return computed;
  const gradients = tensorsOf(trainer.layout, computed.value.gradient);
  let worst = 0;
  for (const [name, gradient] of gradients)
    for (let each = 0; each < directions; each++) {
      const direction = halfOf(gradient, random);
      const losses: number[] = [];
      for (const sign of [1, -1]) {
        const moved = parameters.slice();
        const weights = tensorsOf(trainer.layout, moved).get(name) ?? new Float32Array();
        for (let i = 0; i < weights.length; i++)
          weights[i] = (weights[i] as number) + sign * step * (direction[i] as number);
        const evaluated = await trainer.evaluate(moved, examples);
        if (!evaluated.ok) return evaluated;
        losses.push(evaluated.value.loss);
      }
      const slope = ((losses[0] as number) - (losses[1] as number)) / (2 * step);
      const said = gradient.reduce((sum, g, i) => sum + g * (direction[i] as number), 0);
      const off = Math.abs(slope - said) / Math.max(Math.abs(said), leastSlope);
      worst = Number.isNaN(off) ? Number.POSITIVE_INFINITY : Math.max(worst, off);
    }
  return ok(worst);
}

/** Below it the noise of float32 losses is too large a share. */
const leastSlope = 0.01;

/** A direction of length 1: the gradient's own, on about half of the weights, and no other. */
function halfOf(gradient: Float32Array, random: Random): Float64Array {
  const direction = Float64Array.from(gradient, (g) => (random.below(2) === 1 ? g : 0));
  const length = Math.sqrt(direction.reduce((sum, d) => sum + d * d, 0));
  return length > 0 ? direction.map((d) => d / length) : direction;
}
