// Parts of a tensor along its first dimension, and back together.

import type { Tensor } from './tensor.ts';

export function sliceRows(tensor: Tensor, start: number, end: number): Tensor {
  const size = tensor.data.length / (tensor.shape[0] as number);
  return {
    ...tensor,
    shape: [end - start, ...tensor.shape.slice(1)],
    data: tensor.data.slice(start * size, end * size),
  };
}

/** The tensor in parts of at most `rows`. */
export function batchesOf(tensor: Tensor, rows: number): Tensor[] {
  const count = tensor.shape[0] as number;
  return Array.from({ length: Math.ceil(count / rows) }, (_, i) =>
    sliceRows(tensor, i * rows, Math.min(count, (i + 1) * rows)),
  );
}

export function concatRows(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors as [Tensor, ...Tensor[]];
  const total = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const data = new (first.data.constructor as Float32ArrayConstructor)(total);
  let at = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, at);
    at += tensor.data.length;
  }
  const count = tensors.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  return { ...first, shape: [count, ...first.shape.slice(1)], data };
}
