// Finds the vectors nearest to one, by cosine: a bit for each sign first, then those that came out best by their halves.
// Engines keep the bits; the halves are the collection's own, so that no engine holds what it could lose.

import type { Ranked } from './fuse-ranks.ts';

export type EngineName = 'sqlite-vec' | 'memory' | 'usearch';

export interface VectorIndex {
  readonly engine: EngineName;
  readonly size: number;
  readonly memoryBytes: number;
  /** How it stands, where that changes by itself. */
  readonly state?: string;
  /** In the transaction of whoever writes the passage. @param halves of a vector of length 1 */
  add(id: number, halves: Uint16Array): void;
  remove(id: number): void;
  /**
   * Best first, by cosine.
   * @param allowed of those alone; absent: of all
   */
  search(query: Float32Array, count: number, allowed?: ReadonlySet<number>): readonly Ranked[];
  /** A little of what is not urgent, outside of a transaction; returns whether more is left. */
  work?(): boolean;
}

const candidatesMin = 80;
const candidatesEach = 1.25;

/** How many are looked at by their halves where `count` are asked for: of ten the right ten are among eighty. */
export const candidatesFor = (count: number): number =>
  Math.max(candidatesMin, Math.ceil(count * candidatesEach));

export const bestFirst = (scored: readonly Ranked[], count: number): readonly Ranked[] =>
  scored.toSorted((a, b) => b.score - a.score || a.id - b.id).slice(0, count);

/** One bit a dimension: whether it is above 0; the first dimension is the lowest bit of the first byte. */
export function signBits(vector: Float32Array): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(Math.ceil(vector.length / 8));
  for (let d = 0; d < vector.length; d++)
    if ((vector[d] as number) > 0) bits[d >> 3] = (bits[d >> 3] as number) | (1 << (d & 7));
  return bits;
}

/** Of halves: above 0 is what is not 0 and has no sign. */
export function signBitsOf(halves: Uint16Array): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(Math.ceil(halves.length / 8));
  for (let d = 0; d < halves.length; d++) {
    const half = halves[d] as number;
    if (half !== 0 && half < 0x8000) bits[d >> 3] = (bits[d >> 3] as number) | (1 << (d & 7));
  }
  return bits;
}
