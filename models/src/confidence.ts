// From logits to a calibrated confidence (temperature scaling: Guo et al., arXiv 1706.04599).

/** softmax(logits / temperature), numerically stable. */
export function softmax(logits: ArrayLike<number>, temperature = 1): Float64Array {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i] as number);
  const p = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    p[i] = Math.exp(((logits[i] as number) - max) / temperature);
    sum += p[i] as number;
  }
  for (let i = 0; i < p.length; i++) p[i] = (p[i] as number) / sum;
  return p;
}

export interface Prediction {
  /** Index of the most probable class. */
  readonly index: number;
  /** Its calibrated probability, 0…1; 0 where a logit is not finite, so that it always escalates. */
  readonly confidence: number;
  readonly probabilities: Float64Array;
}

export function predict(logits: ArrayLike<number>, temperature = 1): Prediction {
  const probabilities = softmax(logits, temperature);
  let index = 0;
  for (let i = 1; i < probabilities.length; i++)
    if ((probabilities[i] as number) > (probabilities[index] as number)) index = i;
  const confidence = probabilities[index] ?? 0;
  return { index, confidence: Number.isFinite(confidence) ? confidence : 0, probabilities };
}
