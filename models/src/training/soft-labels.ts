// What a teacher thinks of each class, as labels to learn from (Hinton et al., "Distilling the Knowledge in a Neural
// Network", arXiv 1503.02531): softened, because what it thinks of the wrong classes is what a label does not say.

import { softmax } from '../confidence.ts';
import type { Tensor } from '../tensor.ts';

/** FP32 [examples, classes]: softmax(logits / temperature), row by row. */
export function softLabels(logits: Float32Array, classes: number, temperature: number): Tensor {
  const count = logits.length / classes;
  const data = new Float32Array(logits.length);
  for (let row = 0; row < count; row++)
    data.set(
      softmax(logits.subarray(row * classes, (row + 1) * classes), temperature),
      row * classes,
    );
  return { datatype: 'FP32', shape: [count, classes], data };
}
