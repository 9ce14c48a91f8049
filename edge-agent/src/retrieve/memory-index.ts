// The vectors of a collection in memory, bits and halves: nothing is read to search them. It is built from the collection
// when it is opened, and says in megabytes what it costs.

import { bitTableBytes, createBitTable } from './bit-table.ts';
import { dotFloat16 } from './float16.ts';
import {
  bestFirst,
  candidatesFor,
  signBits,
  signBitsOf,
  type VectorIndex,
} from './vector-index.ts';

const growth = 1.5;
const capacityMin = 1_024;

export function createMemoryIndex(dimensions: number): VectorIndex {
  const table = createBitTable(dimensions);
  // At the places of their bits.
  let halves = new Uint16Array(capacityMin * dimensions);
  return {
    engine: 'memory',
    get size() {
      return table.size;
    },
    get memoryBytes() {
      return bitTableBytes(dimensions, table.size) + halves.byteLength;
    },
    add(id, vector) {
      const at = table.size * dimensions;
      if (at === halves.length) {
        const grown = new Uint16Array(Math.ceil(table.size * growth) * dimensions);
        grown.set(halves);
        halves = grown;
      }
      halves.set(vector, at);
      table.add(id, signBitsOf(vector));
    },
    remove(id) {
      const moved = table.remove(id);
      if (moved === undefined) return;
      const from = moved.from * dimensions;
      halves.copyWithin(moved.to * dimensions, from, from + dimensions);
      // What is removed is not to be found in memory either.
      halves.fill(0, from, from + dimensions);
    },
    search(query, count, allowed) {
      const near = table.nearest(signBits(query), candidatesFor(count), allowed);
      const scored = near.map(({ id, place }) => ({
        id,
        score: dotFloat16(query, halves, place * dimensions),
      }));
      return bestFirst(scored, count);
    },
  };
}
