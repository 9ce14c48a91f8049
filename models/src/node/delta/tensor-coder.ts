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

/** Of the two neighbours that are known. */
const expectedBits = (numbers: Numbers, i: number, rowElements: number): number => {
  if (i === 0) return 0;
  const before = 32 - Math.clz32(numbers[i - 1] as number);
  if (i < rowElements) return before;
  return (before + 33 - Math.clz32(numbers[i - rowElements] as number)) >> 1;
};

/** From the highest byte on. */
export function encodeTensor(numbers: Numbers, rowElements: number): readonly Plane[] {
  const planes: Plane[] = [];
  const width = numbers.BYTES_PER_ELEMENT;
  const expected = new Uint8Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) expected[i] = expectedBits(numbers, i, rowElements);
  for (let place = width - 1; place >= 0; place--)
    planes.push(encodePlane(numbers, expected, 8 * place, 8 * width));
  return planes;
}

function encodePlane(
  numbers: Numbers,
  expected: Uint8Array,
  shift: number,
  widthBits: number,
): Plane {
  const symbols = new Uint8Array(numbers.length);
  const context = new Uint8Array(numbers.length);
  const counts = new Uint32Array(contexts * 256);
  const isTop = shift === widthBits - 8;
  let any = 0;
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] as number;
    const symbol = (number >>> shift) & 255;
    const c =
      isTop || number >>> (shift + 8) === 0
        ? (classOf[(expected[i] as number) - shift + 32] as number)
        : significant;
    symbols[i] = symbol;
    context[i] = c;
    any |= symbol;
    counts[(c << 8) | symbol] = (counts[(c << 8) | symbol] as number) + 1;
  }
  if (any === 0) return { kind: 'zero' };
  if (entropyBits(counts, contexts) > rawShare * 8 * symbols.length)
    return { kind: 'raw', bytes: symbols };
  const frequencies = normalise(counts, contexts);
  return { kind: 'coded', frequencies, bytes: ransEncode(symbols, context, frequencies) };
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
