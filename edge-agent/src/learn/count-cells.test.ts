import { unwrap } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { countCells } from './count-cells.ts';

it('[LEA19] counts each example once, also beyond the bins and where its numbers are none', () => {
  const inputs = Float32Array.of(-5, 0, 1, 9, Number.NaN, Number.POSITIVE_INFINITY);
  const examples = {
    datatype: 'FP32',
    shape: [1],
    inputs: new Uint8Array(inputs.buffer),
    labels: Int32Array.from(inputs, () => 0),
  } as const;
  const question = { kind: 'inputs', measure: 'mean', from: 0, to: 2, bins: 2 } as const;
  expect(unwrap(countCells(question, examples))).toEqual([3, 3]);
  expect(unwrap(countCells({ ...question, measure: 'deviation' }, examples))).toEqual([6, 0]);
});
