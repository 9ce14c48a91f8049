// Adam (arXiv 1412.6980) over a few parameters whose gradients a graph gives: its steps do not depend on how large the
// numbers are that a network happens to pass on.

import { defined } from '@skerry/shared';
import type { Weights } from './weights.ts';

const [meanDecay, squareDecay, epsilon] = [0.9, 0.999, 1e-8];

export interface Adam {
  /** Moves the weights, in place, against the gradients of the same names. */
  step(gradients: Weights, learningRate: number): void;
}

export function createAdam(weights: Weights): Adam {
  const moments = [...weights].map(([name, values]) => ({
    name,
    values,
    mean: new Float64Array(values.length),
    square: new Float64Array(values.length),
  }));
  let steps = 0;
  return {
    step(gradients, learningRate) {
      steps += 1;
      const rate = (learningRate * Math.sqrt(1 - squareDecay ** steps)) / (1 - meanDecay ** steps);
      for (const { name, values, mean, square } of moments)
        for (const [i, slope] of defined(gradients.get(name), name).entries()) {
          const m = meanDecay * (mean[i] as number) + (1 - meanDecay) * slope;
          const s = squareDecay * (square[i] as number) + (1 - squareDecay) * slope * slope;
          mean[i] = m;
          square[i] = s;
          values[i] = (values[i] as number) - (rate * m) / (Math.sqrt(s) + epsilon);
        }
    },
  };
}
