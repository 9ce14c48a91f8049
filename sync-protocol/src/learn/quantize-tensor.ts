// A tensor as whole numbers −L…L of its largest value (QSGD with the max-norm, arXiv 1610.02132; 2 bits are TernGrad's signs and
// zero, arXiv 1705.07878). Rounding is up or down by chance, so that the mean over many is the number itself.

import { err, failure, ok, type Random, type Result } from '@skerry/shared';

export type QuantizedBits = 8 | 4 | 2;

/** L. One code of a width is never used, so that a number and its negative are as near. */
const levelsOf = (bits: QuantizedBits): number => 2 ** (bits - 1) - 1;

export const packedBytes = (count: number, bits: QuantizedBits): number =>
  Math.ceil((count * bits) / 8);

/** The largest magnitude; float32 holds it exactly. */
export function maxNorm(tensor: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < tensor.length; i++) {
    const size = Math.abs(tensor[i] as number);
    if (size > largest) largest = size;
  }
  return largest;
}

/** Codes 0…2L, the first in the lowest bits of the first byte. `scale` is the tensor's max-norm, and not 0. */
export function quantizeTensor(
  tensor: Float32Array,
  scale: number,
  bits: QuantizedBits,
  random: Random,
): Uint8Array {
  const levels = levelsOf(bits);
  const perByte = 8 / bits;
  const bytes = new Uint8Array(packedBytes(tensor.length, bits));
  for (let i = 0; i < tensor.length; i++) {
    // The division comes first: a share is never above 1, so a code is never above 2L.
    const share = (tensor[i] as number) / scale;
    const code = Math.floor(share * levels + random.next()) + levels;
    const at = Math.floor(i / perByte);
    bytes[at] = (bytes[at] as number) | (code << (bits * (i % perByte)));
  }
  return bytes;
}

/**
 * Into `tensor`, from as many bytes as it takes. Fails with `malformed_message` for a code that means nothing, and where bits
 * behind the last are not zero: one tensor has one form.
 */
export function dequantizeInto(
  tensor: Float32Array,
  bytes: Uint8Array,
  scale: number,
  bits: QuantizedBits,
): Result<void> {
  const levels = levelsOf(bits);
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  for (let i = 0; i < bytes.length * perByte; i++) {
    const code = ((bytes[Math.floor(i / perByte)] as number) >> (bits * (i % perByte))) & mask;
    if (i >= tensor.length ? code !== 0 : code > 2 * levels)
      return err(failure('malformed_message', `the code ${code} at ${i}`));
    if (i < tensor.length) tensor[i] = ((code - levels) / levels) * scale;
  }
  return ok(undefined);
}
