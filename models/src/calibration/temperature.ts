// Temperature scaling: the T that minimises the negative log-likelihood of softmax(logits / T) on held-out examples
// (Guo et al., arXiv 1706.04599). It changes confidences, never the answer.

import { assert } from '@skerry/shared';

/** Logits of many examples, row after row, and their labels. */
export interface Scored {
  readonly classes: number;
  readonly logits: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}

const temperatureMin = 0.05;
const temperatureMax = 20;
/** Golden-section steps: each shrinks the bracket by 0.618, so 40 leave less than 10⁻⁷ of it. */
const searchSteps = 40;

/** The loss is convex in 1/T, so it has one minimum, and golden-section search over log T finds it. */
export function fitTemperature(scored: Scored): number {
  const golden = (Math.sqrt(5) - 1) / 2;
  const loss = (logT: number): number => negativeLogLikelihood(scored, Math.exp(logT));
  let low = Math.log(temperatureMin);
  let high = Math.log(temperatureMax);
  for (let step = 0; step < searchSteps; step++) {
    const left = high - golden * (high - low);
    const right = low + golden * (high - low);
    if (loss(left) < loss(right)) high = right;
    else low = left;
  }
  return Math.exp((low + high) / 2);
}

/** Mean over the examples, in nats. */
export function negativeLogLikelihood(
  { classes, logits, labels }: Scored,
  temperature: number,
): number {
  assert(logits.length === classes * labels.length, 'one row of logits a label');
  let total = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = i * classes;
    let max = -Infinity;
    for (let c = 0; c < classes; c++) max = Math.max(max, logits[row + c] as number);
    let sum = 0;
    for (let c = 0; c < classes; c++)
      sum += Math.exp(((logits[row + c] as number) - max) / temperature);
    const ofLabel = logits[row + (labels[i] as number)] as number;
    total += Math.log(sum) - (ofLabel - max) / temperature;
  }
  return total / labels.length;
}
