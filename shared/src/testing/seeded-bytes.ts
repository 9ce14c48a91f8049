import type { RandomBytes } from '../privacy/random-bytes.ts';
import { createRandom } from '../random.ts';

/** Bytes that a seed replays: for tests alone, whoever knows the seed knows the noise. */
export function createSeededBytes(seed: number): RandomBytes {
  const random = createRandom(seed);
  return {
    fill(into) {
      let word = 0;
      for (let i = 0; i < into.length; i++) {
        word = i % 4 === 0 ? random.uint32() : word >>> 8;
        into[i] = word;
      }
    },
  };
}
