// What takes an element of the base to one of the target, as an unsigned number that is small where the change is:
// subtracted as integers, which for floats means on the line on which they are ordered, so that a small step is a small
// number whatever exponent it crosses. Without a base, a number whose high byte is the most regular.

import { type Element, elementBytes } from './tensor-ranges.ts';

export type Transform = 'plain' | 'subtract' | 'xor';

/** One number an element. */
export type Numbers = Uint32Array | Uint16Array | Uint8Array;

export function numbersOf(bytes: Uint8Array, element: Element): Numbers {
  // Copied: a weight may lie anywhere in its file, a typed array may not; and a Buffer's slice would be no copy.
  const { buffer } = new Uint8Array(bytes);
  switch (elementBytes[element]) {
    case 4:
      return new Uint32Array(buffer);
    case 2:
      return new Uint16Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

export const isFloat = (element: Element): boolean =>
  element === 'float32' || element === 'float16';

/** The inverse of `difference`, in place of the numbers. */
export function restore(
  numbers: Numbers,
  base: Numbers | undefined,
  element: Element,
  transform: Transform,
): void {
  const shift = 32 - 8 * numbers.BYTES_PER_ELEMENT;
  const float = isFloat(element);
  const sign = 0x80000000 >> shift;
  if (transform === 'plain') {
    for (let i = 0; i < numbers.length; i++) {
      const number = ((numbers[i] as number) << shift) | 0;
      numbers[i] = float
        ? ((number >>> 1) | (((number >>> shift) & 1) << 31)) >>> shift
        : unzigzag(number >>> shift);
    }
    return;
  }
  const from = base as Numbers;
  if (transform === 'xor') {
    for (let i = 0; i < numbers.length; i++)
      numbers[i] = (numbers[i] as number) ^ (from[i] as number);
    return;
  }
  for (let i = 0; i < numbers.length; i++) {
    let b = ((from[i] as number) << shift) >> shift;
    if (float) b ^= (b >> 31) | sign;
    let a = ((b + unzigzag(numbers[i] as number)) << shift) >> shift;
    if (float) a ^= (~a >> 31) | sign;
    numbers[i] = a;
  }
}

const unzigzag = (number: number): number => (number >>> 1) ^ -(number & 1);
