// The way back from what tensor-encoder.ts makes: number by number, for what is likely follows from those before.

import { defined } from '@skerry/shared/plain';
import { type Coder, chunkElements, openCoder, reserve } from './coder.ts';
import { descriptor, memoryMap, startShift } from './coder-memory.ts';
import { planeKinds } from './delta-format.ts';
import { type Frequencies, scale, scaleBits, starts } from './rans.ts';

/** How one plane of bytes, of all numbers the same one, is held. */
export type Plane =
  | { readonly kind: 'zero' }
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'coded'; readonly frequencies: Frequencies; readonly bytes: Uint8Array };

/** While every higher byte is zero: how large the neighbours are, as seen from this byte. Else: the last. */
export const contexts = 7;

/**
 * The bytes of so many numbers, of as many bytes each as there are planes; good until the next call. `undefined` where the
 * planes hold too little.
 */
export type DecodeTensor = (
  planes: readonly Plane[],
  elements: number,
  rowElements: number,
) => Uint8Array | undefined;

/** @param states that take turns: a power of two */
export function createTensorDecoder(states: number): DecodeTensor {
  const coder = openCoder();
  return (planes, elements, rowElements) => {
    if (planes.some((plane) => plane.kind === 'raw' && plane.bytes.length !== elements))
      return undefined;
    const width = planes.length;
    const places = reserve(coder, (take) => ({
      numbers: take(elements * width),
      lengths: take(elements),
      planes: planes.map((plane) =>
        plane.kind === 'zero'
          ? { input: 0, symbols: 0, slots: 0 }
          : {
              input: take(plane.bytes.length),
              symbols: take(plane.kind === 'coded' ? symbolBytes * contexts * 256 : 0),
              slots: take(plane.kind === 'coded' ? contexts * scale : 0),
            },
      ),
    }));
    const ends = planes.map((plane, p) =>
      putPlane(coder, plane, p, defined(places.planes[p], 'its place'), states),
    );
    const row = Math.max(1, rowElements);
    for (let from = 0; from < elements; from += chunkElements) {
      const to = Math.min(elements, from + chunkElements);
      coder.decode(places.numbers, places.lengths, width, row, states - 1, from, to);
    }
    const isWhole = ends.every((end, p) => planes[p]?.kind !== 'coded' || inputAt(coder, p) <= end);
    return isWhole
      ? new Uint8Array(coder.memory.buffer, places.numbers, elements * width)
      : undefined;
  };
}

const symbolBytes = 4;
const wordBytes = 2;

/** Returns where its bytes end. */
function putPlane(
  { memory }: Coder,
  plane: Plane,
  place: number,
  { input, symbols, slots }: { input: number; symbols: number; slots: number },
  states: number,
): number {
  const view = new DataView(memory.buffer, memoryMap.planes + place * descriptor.bytes);
  const put = (field: number, value: number): void => view.setUint32(field, value, true);
  put(descriptor.kind, planeKinds.indexOf(plane.kind));
  if (plane.kind === 'zero') return input;
  const { bytes } = plane;
  new Uint8Array(memory.buffer, input, bytes.length).set(bytes);
  if (plane.kind === 'coded') {
    const wordAt = (at: number): number =>
      ((bytes[wordBytes * at + 1] ?? 0) << 8) | (bytes[wordBytes * at] ?? 0);
    for (let s = 0; s < states; s++)
      put(descriptor.states + 4 * s, (wordAt(2 * s) << 16) | wordAt(2 * s + 1));
    putTables(memory.buffer, symbols, slots, plane.frequencies);
  }
  put(descriptor.symbols, symbols);
  put(descriptor.slots, slots);
  put(descriptor.input, input + (plane.kind === 'coded' ? 2 * wordBytes * states : 0));
  return input + bytes.length;
}

/** Where a context never occurs, or what claims to be a table is none, slots stand for anything: the digest will tell. */
function putTables(memory: ArrayBuffer, symbols: number, slots: number, f: Frequencies): void {
  const start = starts(f);
  const symbolOf = new Uint32Array(memory, symbols, f.length);
  const slotOf = new Uint8Array(memory, slots, contexts * scale).fill(0);
  for (let s = 0; s < f.length; s++) {
    const [from, length] = [start[s] as number, f[s] as number];
    symbolOf[s] = (from << startShift) | length;
    const at = ((s >> 8) << scaleBits) + from;
    if (length > 0) slotOf.fill(s & 255, at, at + length);
  }
}

const inputAt = ({ memory }: Coder, place: number): number =>
  new DataView(memory.buffer).getUint32(
    memoryMap.planes + place * descriptor.bytes + descriptor.input,
    true,
  );
