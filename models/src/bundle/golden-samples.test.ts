import { expect, it } from 'vitest';
import { goldenSamples } from './golden-samples.ts';
import type { Manifest } from './manifest.ts';

const golden = [
  [1, 2],
  [3, 4],
].map((input) => ({ input, label: 0, logits: {}, tolerance: 1 }));
const inputsOf = (batch: number): Manifest['inputs'] => [
  { name: 'x', datatype: 'UINT8', shape: [batch, 2] },
];
const x = (rows: number, ...data: number[]) => ({
  x: { datatype: 'UINT8', shape: [rows, 2], data: Uint8Array.from(data) },
});

it('[PRV2] golden inputs are given each alone, and as a batch where one is served', () => {
  const alone = [x(1, 1, 2), x(1, 3, 4)];
  expect(goldenSamples({ inputs: inputsOf(-1), golden })).toEqual(alone);
  const batch = x(3, 1, 2, 3, 4, 1, 2);
  expect(goldenSamples({ inputs: inputsOf(-1), golden }, 3)).toEqual([...alone, batch]);
  expect(goldenSamples({ inputs: inputsOf(1), golden }, 3)).toEqual(alone);
  expect(goldenSamples({ inputs: inputsOf(-1), golden: [] }, 3)).toEqual([]);
});
