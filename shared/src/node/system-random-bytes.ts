import { randomFillSync } from 'node:crypto';
import type { RandomBytes } from '../privacy/random-bytes.ts';

/** The operating system's CSPRNG, for noise and samples that privacy rests on. */
export function createSystemRandomBytes(): RandomBytes {
  return { fill: (into) => void randomFillSync(into) };
}
