// The signs of vectors, a bit a dimension, in memory side by side: which are nearest to one is told by a scan of them all.

import { blockBytes, createHamming } from './hamming.ts';

/** Rows whose distances are computed at once. */
const tileRows = 4_096;
const rowsMin = 1_024;
const growth = 1.5;
/** Further than any. */
const farther = 0xffff;

/** A row that took the place of one that was removed. */
interface Moved {
  readonly from: number;
  readonly to: number;
}

export interface NearBits {
  readonly id: number;
  /** Its row: rises with each that is added, and changes where one is removed. */
  readonly place: number;
}

export interface BitTable {
  readonly size: number;
  add(id: number, bits: Uint8Array): void;
  /** Undefined where it was not there. */
  remove(id: number): Moved | undefined;
  /** So many of the nearest, in no order; of equals any. */
  nearest(bits: Uint8Array, count: number, allowed?: ReadonlySet<number>): readonly NearBits[];
}

export const bitTableBytes = (dimensions: number, rows: number): number =>
  rows * (rowBytesOf(dimensions) + Float64Array.BYTES_PER_ELEMENT + Uint16Array.BYTES_PER_ELEMENT);

const rowBytesOf = (dimensions: number): number =>
  Math.ceil(dimensions / 8 / blockBytes) * blockBytes;

export function createBitTable(dimensions: number): BitTable {
  const rowBytes = rowBytesOf(dimensions);
  const hamming = createHamming(rowBytes);
  const tile = rowBytes; // After the query.
  const rows = tile + 2 * tileRows;
  const placeOf = new Map<number, number>();
  let ids = new Float64Array(rowsMin);
  let distances = new Uint16Array(rowsMin);
  let size = 0;

  const rowAt = (place: number): number => rows + place * rowBytes;
  const memory = (): Uint8Array => new Uint8Array(hamming.memory.buffer);
  const reserve = (capacity: number): void => {
    const grown = new Float64Array(capacity);
    grown.set(ids.subarray(0, size));
    ids = grown;
    distances = new Uint16Array(capacity);
    hamming.reserve(rowAt(capacity));
  };
  reserve(rowsMin);

  /** Of every place. */
  const measure = (bits: Uint8Array): void => {
    memory().fill(0, 0, rowBytes).set(bits, 0);
    for (let place = 0; place < size; place += tileRows) {
      const end = Math.min(size, place + tileRows);
      hamming.distances(0, rowAt(place), rowAt(end), tile);
      distances.set(new Uint16Array(hamming.memory.buffer, tile, end - place), place);
    }
  };

  /** The others are farther than any. */
  const measureAllowed = (bits: Uint8Array, allowed: ReadonlySet<number>): void => {
    measure(bits);
    const all = distances.slice(0, size);
    distances.fill(farther, 0, size);
    for (const id of allowed) {
      const place = placeOf.get(id);
      if (place !== undefined) distances[place] = all[place] as number;
    }
  };

  return {
    get size() {
      return size;
    },
    add(id, bits) {
      if (size === ids.length) reserve(Math.ceil(size * growth));
      ids[size] = id;
      memory().set(bits, rowAt(size));
      placeOf.set(id, size);
      size += 1;
    },
    remove(id) {
      const to = placeOf.get(id);
      if (to === undefined) return undefined;
      placeOf.delete(id);
      size -= 1;
      const last = ids[size] as number;
      if (to !== size) {
        ids[to] = last;
        placeOf.set(last, to);
        memory().copyWithin(rowAt(to), rowAt(size), rowAt(size + 1));
      }
      // What is removed is not to be found in memory either.
      memory().fill(0, rowAt(size), rowAt(size + 1));
      return { from: size, to };
    },
    nearest(bits, count, allowed) {
      if (allowed === undefined) measure(bits);
      else measureAllowed(bits, allowed);
      const places = placesWithin(distances.subarray(0, size), dimensions, count);
      return places.map((place) => ({ id: ids[place] as number, place }));
    },
  };
}

/** The places of the `count` least distances; none of them is above `distanceMax`. */
function placesWithin(distances: Uint16Array, distanceMax: number, count: number): number[] {
  const counts = new Uint32Array(distanceMax + 1);
  for (let place = 0; place < distances.length; place++) {
    const distance = distances[place] as number;
    if (distance <= distanceMax) counts[distance] = (counts[distance] as number) + 1;
  }
  let limit = 0;
  let nearer = 0;
  while (limit < distanceMax && nearer + (counts[limit] as number) < count)
    nearer += counts[limit++] as number;
  let equals = count - nearer;
  const places: number[] = [];
  for (let place = 0; place < distances.length; place++) {
    const distance = distances[place] as number;
    if (distance < limit || (distance === limit && equals-- > 0)) places.push(place);
  }
  return places;
}
