import { createCipheriv } from 'node:crypto';
import { assert } from '../assert.ts';
import type { RandomBytes } from '../privacy/random-bytes.ts';

export const keystreamKeyBytes = 32;

/**
 * AES-256-CTR under a key that is drawn from a CSPRNG, used for this alone, and kept as secret as what the noise is to hide:
 * the same key gives the same bytes again.
 */
export function createKeystreamBytes(key: Uint8Array): RandomBytes {
  assert(key.length === keystreamKeyBytes, 'a key of 256 bits');
  const cipher = createCipheriv('aes-256-ctr', key, new Uint8Array(16));
  return { fill: (into) => void into.set(cipher.update(new Uint8Array(into.length))) };
}
