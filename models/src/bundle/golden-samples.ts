// A bundle's golden inputs as its first stage takes them: what an execution provider is held against the cpu with.

import { isBatched, type Tensor, type TensorMap, tensorOf } from '../tensor.ts';
import { concatRows } from '../tensor-rows.ts';
import type { Manifest } from './manifest.ts';

const rowAt = (tensors: readonly Tensor[], row: number): Tensor =>
  tensors[row % tensors.length] as Tensor;

/**
 * Each by itself, and where so many rows are served at once, a batch of them, over and over: kernels differ by the size of a
 * batch, and so does who is faster.
 */
export function goldenSamples(
  { inputs, golden }: Pick<Manifest, 'inputs' | 'golden'>,
  rows = 1,
): TensorMap[] {
  const [spec] = inputs;
  if (spec === undefined) return [];
  const one = spec.shape.map((size) => (size === -1 ? 1 : size));
  const tensors: Tensor[] = [];
  for (const { input } of golden) {
    const tensor = tensorOf(spec.datatype, one, input);
    if (tensor.ok) tensors.push(tensor.value);
  }
  if (tensors.length > 0 && rows > 1 && isBatched(spec.shape))
    tensors.push(concatRows(Array.from({ length: rows }, (_, i) => rowAt(tensors, i))));
  return tensors.map((tensor) => ({ [spec.name]: tensor }));
}
