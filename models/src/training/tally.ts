// What a set of answers amounts to: loss and accuracy, in all and by label. Summed in doubles, row by row.

import type { Evaluation } from './trainer.ts';
import { indexOfMax } from './training-batches.ts';

export interface Tally {
  /** Rows one after the other: their logits at each exit, and their target distributions. */
  add(logits: readonly Float32Array[], targets: Float32Array): void;
  total(): Evaluation;
}

export function createTally(classes: number, lossWeights: readonly number[]): Tally {
  const examples = new Uint32Array(classes);
  const correct = new Uint32Array(classes);
  let loss = 0;
  const addRow = (logits: readonly Float32Array[], target: Float32Array): void => {
    for (const [i, row] of logits.entries())
      loss += (lossWeights[i] ?? 1) * crossEntropy(row, target);
    const label = indexOfMax(target);
    examples[label] = (examples[label] as number) + 1;
    if (indexOfMax(logits.at(-1) ?? []) === label) correct[label] = (correct[label] as number) + 1;
  };
  return {
    add(logits, targets) {
      for (let at = 0; at < targets.length; at += classes) {
        const row = (of: Float32Array) => of.subarray(at, at + classes);
        addRow(logits.map(row), row(targets));
      }
    },
    total() {
      const sum = (of: Uint32Array): number => of.reduce((total, n) => total + n, 0);
      const count = sum(examples);
      return {
        examples: count,
        loss: loss / count,
        accuracy: sum(correct) / count,
        labels: Array.from(examples, (n, i) => ({ examples: n, correct: correct[i] as number })),
      };
    },
  };
}

/** −Σ target · log softmax(logits). */
function crossEntropy(logits: ArrayLike<number>, target: ArrayLike<number>): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i] as number);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] as number) - max);
  const logSum = max + Math.log(sum);
  let loss = 0;
  for (let i = 0; i < logits.length; i++)
    if (target[i] !== 0) loss += (target[i] as number) * (logSum - (logits[i] as number));
  return loss;
}
