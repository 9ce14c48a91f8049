// The bits of a collection in memory: a scan of them all is faster than any table's. It is built from the collection when
// it is opened, and says in megabytes what it costs.

import { assert } from '@skerry/shared';
import { dotFloat16, toFloat16 } from './float16.ts';
import type { Ranked } from './fuse-ranks.ts';
import { candidatesFor, signBits, type VectorIndex } from './vector-index.ts';

const growth = 1.5;
const capacityMin = 1_024;

/** @param dimensions a multiple of 32 */
export function createMemoryIndex(dimensions: number): VectorIndex {
  assert(dimensions % 32 === 0, 'dimensions are words of 32 bits');
  const words = dimensions / 32;
  const placeOf = new Map<number, number>();
  let ids = new Float64Array(capacityMin);
  let bits = new Uint32Array(capacityMin * words);
  let halves = new Uint16Array(capacityMin * dimensions);
  let distances = new Uint16Array(capacityMin);
  let size = 0;

  const grow = (): void => {
    const capacity = Math.ceil(ids.length * growth);
    ids = resized(ids, new Float64Array(capacity));
    bits = resized(bits, new Uint32Array(capacity * words));
    halves = resized(halves, new Uint16Array(capacity * dimensions));
    distances = new Uint16Array(capacity);
  };

  return {
    engine: 'memory',
    get size() {
      return size;
    },
    add(id, vector) {
      if (size === ids.length) grow();
      ids[size] = id;
      bits.set(new Uint32Array(signBits(vector).buffer), size * words);
      halves.set(toFloat16(vector), size * dimensions);
      placeOf.set(id, size);
      size += 1;
    },
    remove(id) {
      const place = placeOf.get(id);
      if (place === undefined) return;
      placeOf.delete(id);
      size -= 1;
      const last = ids[size] as number;
      if (last !== id) {
        ids[place] = last;
        placeOf.set(last, place);
        bits.copyWithin(place * words, size * words, (size + 1) * words);
        halves.copyWithin(place * dimensions, size * dimensions, (size + 1) * dimensions);
      }
      // What is removed is not to be found in memory either.
      bits.fill(0, size * words, (size + 1) * words);
      halves.fill(0, size * dimensions, (size + 1) * dimensions);
    },
    search(query, count, allowed) {
      const wanted = candidatesFor(count);
      const queryBits = new Uint32Array(signBits(query).buffer);
      const limit =
        allowed === undefined
          ? scan(bits, queryBits, distances, size, wanted)
          : scanAllowed(bits, queryBits, distances, placesOf(allowed, placeOf), wanted);
      const best: Ranked[] = [];
      const places = allowed === undefined ? undefined : placesOf(allowed, placeOf);
      const visit = (place: number): void => {
        if ((distances[place] as number) > limit) return;
        const score = dotFloat16(query, halves, place * dimensions);
        best.push({ id: ids[place] as number, score });
      };
      if (places === undefined) for (let place = 0; place < size; place++) visit(place);
      else for (const place of places) visit(place);
      return best.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, count);
    },
  };
}

function resized<A extends Float64Array | Uint32Array | Uint16Array>(from: A, to: A): A {
  to.set(from);
  return to;
}

function placesOf(
  allowed: ReadonlySet<number>,
  placeOf: ReadonlyMap<number, number>,
): readonly number[] {
  const places: number[] = [];
  for (const id of allowed) {
    const place = placeOf.get(id);
    if (place !== undefined) places.push(place);
  }
  return places;
}

const bitsMax = 4_096;
/** Further than any. */
const farther = 0xffff;

/** Writes each place's Hamming distance, and returns the one within which `wanted` lie: ties are all within. */
function scan(
  bits: Uint32Array,
  query: Uint32Array,
  distances: Uint16Array,
  size: number,
  wanted: number,
): number {
  const words = query.length;
  const half = words >> 1;
  const counts = new Int32Array(bitsMax + 1);
  let limit = words * 32;
  let within = 0;
  for (let place = 0, at = 0; place < size; place++, at += words) {
    let distance = 0;
    for (let w = 0; w < half; w++)
      distance += popcount((bits[at + w] as number) ^ (query[w] as number));
    // What half of the bits already tell is too far.
    if (distance > limit) {
      distances[place] = farther;
      continue;
    }
    for (let w = half; w < words; w++)
      distance += popcount((bits[at + w] as number) ^ (query[w] as number));
    distances[place] = distance;
    if (distance > limit) continue;
    counts[distance] = (counts[distance] as number) + 1;
    within += 1;
    while (within - (counts[limit] as number) >= wanted) {
      within -= counts[limit] as number;
      limit -= 1;
    }
  }
  return limit;
}

function scanAllowed(
  bits: Uint32Array,
  query: Uint32Array,
  distances: Uint16Array,
  places: readonly number[],
  wanted: number,
): number {
  const words = query.length;
  const counts = new Int32Array(bitsMax + 1);
  for (const place of places) {
    let distance = 0;
    for (let w = 0; w < words; w++)
      distance += popcount((bits[place * words + w] as number) ^ (query[w] as number));
    distances[place] = distance;
    counts[distance] = (counts[distance] as number) + 1;
  }
  let within = 0;
  for (let distance = 0; distance <= words * 32; distance++) {
    within += counts[distance] as number;
    if (within >= wanted) return distance;
  }
  return words * 32;
}

/** Warren, Hacker's Delight §5–1. */
function popcount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
