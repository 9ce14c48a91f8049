// Four bits a weight, as ONNX Runtime's MatMulNBits reads them (ContribOperators.md, com.microsoft.MatMulNBits): each row
// in blocks with a scale each, the first weight of a byte in its low half, 8 standing for zero.

import { assert } from '@skerry/shared';
import type { Tensor } from '../tensor.ts';

const blockSize = 32;

export interface Nibbles {
  /** UINT8 [rows, blocks, half a block]. */
  readonly bytes: Tensor;
  /** FP32 [rows · blocks]. */
  readonly scales: Tensor;
  readonly blockSize: number;
}

/** `weights` are FP32 [outputs, inputs]; the last block of a row is filled up with zeros. */
export function packNibbles({ shape, data }: Tensor): Nibbles {
  assert(data instanceof Float32Array, 'weights are FP32');
  const [rows = 0, columns = 0] = shape;
  const blocks = Math.ceil(columns / blockSize);
  const scales = new Float32Array(rows * blocks);
  const bytes = new Uint8Array((rows * blocks * blockSize) / 2);
  for (let block = 0; block < rows * blocks; block++) {
    const row = Math.floor(block / blocks);
    const start = (block % blocks) * blockSize;
    const values = data.subarray(
      row * columns + start,
      row * columns + Math.min(columns, start + blockSize),
    );
    const scale = blockScale(values);
    scales[block] = scale;
    for (let i = 0; i < blockSize; i++) {
      const level = Math.round((values[i] ?? 0) / scale) + 8;
      const nibble = Math.max(0, Math.min(15, level));
      const at = (block * blockSize + i) >> 1;
      bytes[at] = (bytes[at] as number) | (nibble << (4 * (i & 1)));
    }
  }
  return {
    bytes: { datatype: 'UINT8', shape: [rows, blocks, blockSize / 2], data: bytes },
    scales: { datatype: 'FP32', shape: [scales.length], data: scales },
    blockSize,
  };
}

/** The largest magnitude is −8 steps: levels reach one further down than up. Its sign turns all. */
function blockScale(values: Float32Array): number {
  const largest = values.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  return largest === 0 ? 1 : Math.fround(largest / -8);
}
