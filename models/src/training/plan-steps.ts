// Which examples each step of a local training takes: a function of the task alone, so that every backend takes the same.

import { createRandom, shuffle } from '@skerry/shared';
import type { TrainTask } from './trainer.ts';

export interface StepPlan {
  /** The rows of each step's batch. An epoch sees every example once, in an order of its own; its last batch may be smaller. */
  readonly steps: readonly Uint32Array[];
  /** How many steps the epochs would take. */
  readonly asked: number;
}

export function planSteps(
  examples: number,
  { epochs, batch, stepsMax = Number.POSITIVE_INFINITY, seed }: TrainTask,
): StepPlan {
  const random = createRandom(seed);
  const asked = epochs * Math.ceil(examples / Math.min(batch, examples));
  const steps: Uint32Array[] = [];
  for (let epoch = 0; epoch < epochs && steps.length < stepsMax; epoch++) {
    const order = shuffle(
      Uint32Array.from({ length: examples }, (_, i) => i),
      random,
    );
    for (let at = 0; at < examples && steps.length < stepsMax; at += batch)
      steps.push(order.subarray(at, at + batch));
  }
  return { steps, asked };
}
