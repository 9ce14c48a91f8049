// A client's answer to a query: how many of its examples are in each cell of the question. Pure; nothing of an input leaves
// it but which bin it is in.

import { elementsOf, tensorFromBytes } from '@skerry/models';
import { ok, type Result } from '@skerry/shared';
import { cellsOf, type Question } from '@skerry/sync-protocol/learn';
import { countLabels, type Examples } from './examples.ts';

/** @param examples their labels are places among the question's. Fails where inputs are not what their shape says */
export function countCells(question: Question, examples: Examples): Result<number[]> {
  const cells = cellsOf(question);
  if (question.kind === 'labels') return ok(countLabels(examples.labels, cells));
  const { datatype, shape, inputs, labels } = examples;
  const tensor = tensorFromBytes(datatype, [labels.length, ...shape], inputs);
  if (!tensor.ok) return tensor;
  const { measure, from, to } = question;
  const counts = new Array<number>(cells).fill(0);
  const numbers = elementsOf(tensor.value);
  const size = numbers.length / Math.max(1, labels.length);
  for (let i = 0; i < labels.length; i++) {
    const value = measures[measure](numbers, i * size, size);
    const bin = Math.floor(((value - from) / (to - from)) * cells);
    // What is no number has a cell too: an example counts once.
    const cell = Number.isNaN(bin) ? 0 : Math.min(cells - 1, Math.max(0, bin));
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  return ok(counts);
}

type Measure = (numbers: ArrayLike<number>, from: number, size: number) => number;

const mean: Measure = (numbers, from, size) => {
  let sum = 0;
  for (let i = from; i < from + size; i++) sum += numbers[i] as number;
  return sum / size;
};

const measures: Readonly<Record<'mean' | 'deviation', Measure>> = {
  mean,
  deviation(numbers, from, size) {
    const centre = mean(numbers, from, size);
    let squares = 0;
    for (let i = from; i < from + size; i++) squares += ((numbers[i] as number) - centre) ** 2;
    return Math.sqrt(squares / size);
  },
};
