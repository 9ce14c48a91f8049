// One tensor's numbers, entropy coded byte by byte from the highest on. What a byte is likely to be follows from how
// large the numbers before it and above it in the matrix are: weights change together by row and by column.

import type { Numbers } from './difference.ts';
import { entropyBits, type Frequencies, normalise, ransDecoder, ransEncode } from './rans.ts';

/** How one plane of bytes, of all numbers the same one, is held. */
export type Plane =
  | { readonly kind: 'zero' }
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'coded'; readonly frequencies: Frequencies; readonly bytes: Uint8Array };

/** While every higher byte is zero: how large the neighbours are, in two bits, as seen from this byte. Else: the last. */
export const contexts = 7;
const significant = contexts - 1;
const classOf = Uint8Array.from({ length: 65 }, (_, i) => {
  const bits = i - 32;
  return bits <= 0 ? 0 : Math.min(significant - 1, 1 + ((bits - 1) >> 1));
});

/** What the two neighbours that are known say of a number's bits. */
const expectedBits = (numbers: Numbers, i: number, rowElements: number): number => {
  if (i === 0) return 0;
  const before = 32 - Math.clz32(numbers[i - 1] as number);
  if (i < rowElements) return before;
  return (before + 33 - Math.clz32(numbers[i - rowElements] as number)) >> 1;
};

const tableSize = contexts * 256;

/** By how many bits are expected, the context of a byte at this place, above the symbol's bits. */
const contextTable = (shift: number): Uint16Array =>
  Uint16Array.from({ length: 33 }, (_, bits) => (classOf[bits - shift + 32] as number) << 8);

/** From the highest byte on. Nothing is held but the numbers: what is said of each is worked out where it is needed. */
export function encodeTensor(numbers: Numbers, rowElements: number): readonly Plane[] {
  const shifts = shiftsOf(numbers);
  const counts = countSymbols(numbers, rowElements, shifts);
  return shifts.map((shift, p): Plane => {
    const ofPlane = counts.subarray(p * tableSize, (p + 1) * tableSize);
    if (isZero(ofPlane)) return { kind: 'zero' };
    const bits = entropyBits(ofPlane, contexts);
    if (bits > rawShare * 8 * numbers.length)
      return { kind: 'raw', bytes: bytesAt(numbers, shift) };
    const frequencies = normalise(ofPlane, contexts);
    const contextOf = contextTable(shift);
    const symbolAt = (i: number): number => {
      const number = numbers[i] as number;
      const context =
        shift < 24 && number >>> (shift + 8) !== 0
          ? significant << 8
          : (contextOf[expectedBits(numbers, i, rowElements)] as number);
      return context | ((number >>> shift) & 255);
    };
    return { kind: 'coded', frequencies, bytes: ransEncode(numbers.length, symbolAt, frequencies) };
  });
}

const shiftsOf = (numbers: Numbers): number[] =>
  Array.from({ length: numbers.BYTES_PER_ELEMENT }, (_, p) => 8 * p).toReversed();

/** How often each symbol stands in each context, plane by plane, in one pass over the numbers. */
function countSymbols(
  numbers: Numbers,
  rowElements: number,
  shifts: readonly number[],
): Uint32Array {
  const planes = shifts.length;
  const counts = new Uint32Array(planes * tableSize);
  const contextOf = new Uint16Array(planes * 64);
  for (const [p, shift] of shifts.entries()) contextOf.set(contextTable(shift), p * 64);
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] as number;
    const expected = expectedBits(numbers, i, rowElements);
    const bits = 32 - Math.clz32(number);
    for (let p = 0; p < planes; p++) {
      const shift = 8 * (planes - 1 - p);
      const context =
        bits > shift + 8 ? significant << 8 : (contextOf[(p << 6) | expected] as number);
      const s = p * tableSize + (context | ((number >>> shift) & 255));
      counts[s] = (counts[s] as number) + 1;
    }
  }
  return counts;
}

const isZero = (counts: Uint32Array): boolean =>
  counts.every((count, s) => count === 0 || (s & 255) === 0);

function bytesAt(numbers: Numbers, shift: number): Uint8Array {
  const bytes = new Uint8Array(numbers.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (numbers[i] as number) >>> shift;
  return bytes;
}

/** Above it the coder would gain less than its tables take. */
const rawShare = 0.985;

/** Into `numbers`, whose length says how many there are. False where the planes hold too little. */
export function decodeTensor(
  planes: readonly Plane[],
  numbers: Numbers,
  rowElements: number,
): boolean {
  const readers = planes.map((plane, p) => {
    const shift = 8 * (planes.length - 1 - p);
    if (plane.kind !== 'coded') return { plane, shift, decoder: undefined };
    return { plane, shift, decoder: ransDecoder(plane.bytes, plane.frequencies) };
  });
  if (readers.some(({ plane }) => plane.kind === 'raw' && plane.bytes.length !== numbers.length))
    return false;
  for (let i = 0; i < numbers.length; i++) {
    const expected = expectedBits(numbers, i, rowElements);
    let number = 0;
    for (const { plane, shift, decoder } of readers) {
      let symbol = 0;
      if (decoder !== undefined)
        symbol = decoder.next(
          number === 0 ? (classOf[expected - shift + 32] as number) : significant,
        );
      else if (plane.kind === 'raw') symbol = plane.bytes[i] as number;
      number = (number << 8) | symbol;
    }
    numbers[i] = number;
  }
  return readers.every(({ decoder }) => decoder === undefined || !decoder.exhausted());
}
