// One tensor as what takes the base's to it, entropy coded byte by byte from the highest on. What a byte is likely to be
// follows from how large the numbers before it and above it in the matrix are: weights change together by row and by
// column. The loops are WebAssembly (coder-wat.ts), whose memory holds the tensor; what is decided is decided here.

import { type Coder, chunkElements, reserve } from './coder.ts';
import { memoryMap, paddingContext } from './coder-memory.ts';
import { transforms } from './delta-format.ts';
import { isFloat, type Transform } from './difference.ts';
import { encodedStates, entropyBits, lowestState, normalise } from './rans.ts';
import { contexts, type Plane } from './tensor-decoder.ts';
import { type Element, elementBytes } from './tensor-ranges.ts';

export interface EncodedTensor {
  readonly transform: Transform;
  /** From the highest byte on. */
  readonly planes: readonly Plane[];
}

/** `base` of as many bytes, where there is one. */
export type EncodeTensor = (
  target: Uint8Array,
  base: Uint8Array | undefined,
  element: Element,
  rowElements: number,
) => EncodedTensor;

/** Where a tensor lies in the coder's memory, and what is made of it. */
interface Places {
  readonly numbers: number;
  readonly base: number;
  readonly lengths: number;
  readonly expected: number;
  readonly contexts: number;
  /** Where the words end, which are written from the last on. */
  readonly out: number;
}

/** Above it the coder would gain less than its tables take. */
const rawShare = 0.985;
/** A transform is chosen by a sample, for the answer is seldom close. */
const sampleBlocks = 16;
const sampleBlockElements = 128;

/** The coder is its own until it is done: its memory grows to what the largest tensor wants. */
export function createTensorEncoder(coder: Coder): EncodeTensor {
  const differenceOf = { 1: coder.difference8, 2: coder.difference16, 4: coder.difference32 };
  const lengthsOf = { 1: coder.lengths8, 2: coder.lengths16, 4: coder.lengths32 };
  const bytesAt = (at: number, length: number) => new Uint8Array(coder.memory.buffer, at, length);

  /** In place of the target's numbers. */
  const difference = (
    { numbers, base }: Pick<Places, 'numbers' | 'base'>,
    bytes: number,
    element: Element,
    transform: Transform,
  ): void => {
    const end = numbers + bytes;
    const make = differenceOf[elementBytes[element]];
    const float = isFloat(element);
    if (transform === 'xor') coder.xor(numbers, base, end);
    else if (transform === 'subtract') make(numbers, base, end, float ? -1 : 0, -1);
    else {
      // From nothing. Of a float the sign goes last, so that the exponent fills the first byte.
      bytesAt(base, bytes).fill(0);
      make(numbers, base, end, 0, float ? 1 : -1);
    }
  };

  const count = (at: number, symbols: number, stride: number, elements: number): Uint32Array => {
    coder.clear();
    // In twos: what stands for one too many is of no context.
    bytesAt(at + elements, 1).fill(paddingContext);
    for (let from = 0; from < elements; from += chunkElements) {
      const to = Math.min(elements, from + chunkElements);
      coder.count(at + from, symbols + from * stride, stride, at + to);
    }
    coder.sum();
    return new Uint32Array(coder.memory.buffer, memoryMap.counts, contexts * 256);
  };

  const costOf = (
    target: Uint8Array,
    from: Uint8Array,
    element: Element,
    transform: Transform,
    places: Places,
  ): number => {
    const width = elementBytes[element];
    bytesAt(places.numbers, target.length).set(target);
    bytesAt(places.base, from.length).set(from);
    difference(places, target.length, element, transform);
    const elements = target.length / width;
    // One context for all.
    bytesAt(places.contexts, elements).fill(0);
    let bits = 0;
    for (let place = 0; place < width; place++)
      bits += entropyBits(count(places.contexts, places.numbers + place, width, elements), 1);
    return bits;
  };

  const chooseTransform = (
    target: Uint8Array,
    base: Uint8Array,
    element: Element,
    places: Places,
  ): Transform => {
    const width = elementBytes[element];
    const [to, from] = [sampleOf(target, width), sampleOf(base, width)];
    const costs = transforms.map((transform) => ({
      transform,
      bits: costOf(to, from, element, transform, places),
    }));
    return costs.reduce((best, each) => (each.bits < best.bits ? each : best)).transform;
  };

  const encodePlane = (places: Places, elements: number, width: number, place: number): Plane => {
    const { numbers, contexts: at } = places;
    coder.contexts(places.lengths, places.expected, at, at + elements, 8 * place);
    const counts = count(at, numbers + place, width, elements);
    if (isZero(counts)) return { kind: 'zero' };
    if (entropyBits(counts, contexts) > rawShare * 8 * elements) {
      coder.gather(numbers + place, width, places.out - elements, places.out);
      return { kind: 'raw', bytes: bytesAt(places.out - elements, elements).slice() };
    }
    const frequencies = normalise(counts, contexts);
    new Uint16Array(coder.memory.buffer, memoryMap.frequencies).set(frequencies);
    coder.tables();
    const padded = Math.ceil(elements / encodedStates) * encodedStates;
    bytesAt(at + elements, padded - elements).fill(paddingContext);
    new Uint32Array(coder.memory.buffer, memoryMap.states, encodedStates).fill(lowestState);
    let out = places.out;
    for (let to = padded; to > 0; to -= chunkElements) {
      const from = Math.max(0, to - chunkElements);
      out = coder.encode(at + to, numbers + place + to * width, width, at + from, out);
    }
    const words = bytesAt(out, places.out - out);
    return { kind: 'coded', frequencies, bytes: Buffer.concat([statesOf(coder), words]) };
  };

  return (target, base, element, rowElements) => {
    const width = elementBytes[element];
    const elements = target.length / width;
    const places = placesFor(coder, elements, width);
    const transform = base === undefined ? 'plain' : chooseTransform(target, base, element, places);
    bytesAt(places.numbers, target.length).set(target);
    if (base !== undefined) bytesAt(places.base, base.length).set(base);
    difference(places, target.length, element, transform);
    lengthsOf[width](places.numbers, places.lengths, places.lengths + elements);
    const row = Math.min(rowElements, elements);
    coder.expect(places.lengths, places.expected, places.expected + elements, row);
    const planes = Array.from({ length: width }, (_, p) =>
      encodePlane(places, elements, width, width - 1 - p),
    );
    return { transform, planes };
  };
}

const placesFor = (coder: Coder, elements: number, width: number): Places =>
  reserve(coder, (take) => ({
    numbers: take(elements * width),
    base: take(elements * width),
    lengths: take(elements),
    expected: take(elements),
    contexts: take(elements),
    out: take(2 * elements) + 2 * elements,
  }));

function sampleOf(bytes: Uint8Array, width: number): Uint8Array {
  const block = sampleBlockElements * width;
  if (bytes.length <= sampleBlocks * block) return bytes;
  const sample = new Uint8Array(sampleBlocks * block);
  const step = Math.floor((bytes.length / width - sampleBlockElements) / (sampleBlocks - 1));
  for (let b = 0; b < sampleBlocks; b++)
    sample.set(bytes.subarray(b * step * width, b * step * width + block), b * block);
  return sample;
}

/** As a decoder reads them: two words each, the higher first. */
function statesOf({ memory }: Coder): Uint8Array {
  const words = new Uint16Array(memory.buffer, memoryMap.states, 2 * encodedStates);
  const bytes = new DataView(new ArrayBuffer(words.byteLength));
  for (const [i, word] of words.entries()) bytes.setUint16(2 * (i ^ 1), word, true);
  return new Uint8Array(bytes.buffer);
}

const isZero = (counts: Uint32Array): boolean =>
  counts.every((count, s) => count === 0 || (s & 255) === 0);
