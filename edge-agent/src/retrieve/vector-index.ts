// Finds the vectors nearest to one, by cosine: a bit for each sign first, then those that came out best by their halves.
// Engines keep the bits; the halves are the collection's own, so that no engine holds what it could lose.

import type { Ranked } from './fuse-ranks.ts';

export interface VectorIndex {
  readonly engine: 'sqlite-vec' | 'memory';
  readonly size: number;
  /** In the transaction of whoever writes the passage. */
  add(id: number, vector: Float32Array): void;
  remove(id: number): void;
  /**
   * Best first, by cosine.
   * @param allowed of those alone; absent: of all
   */
  search(query: Float32Array, count: number, allowed?: ReadonlySet<number>): readonly Ranked[];
}

const candidatesMin = 80;
const candidatesEach = 1.25;

/** How many are looked at by their halves where `count` are asked for: of ten the right ten are among eighty. */
export const candidatesFor = (count: number): number =>
  Math.max(candidatesMin, Math.ceil(count * candidatesEach));

/** One bit a dimension: whether it is above 0; the first dimension is the lowest bit of the first byte. */
export function signBits(vector: Float32Array): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(Math.ceil(vector.length / 8));
  for (const [d, value] of vector.entries())
    if (value > 0) bits[d >> 3] = (bits[d >> 3] as number) | (1 << (d & 7));
  return bits;
}
