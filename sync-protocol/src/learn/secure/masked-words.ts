// A masked vector: words of Z/2^32, of which the ring’s low bits travel. Adding, masking and unmasking wrap around, which is
// what a Uint32Array does by itself.

import { assert, err, failure, ok, type Result } from '@skerry/shared';
import type { Cryptography } from './cryptography.ts';
import { headerWords, type RingBits, type SecurePlan } from './secure-plan.ts';

/** So much of a keystream stays in the cache between its making and its adding. */
const chunkWords = 16_384;

assert(
  new Uint8Array(Uint32Array.of(1).buffer)[0] === 1,
  'words are little-endian, as on every platform that Node has a build for but s390x',
);

export const wordsOfPlan = ({ values }: Pick<SecurePlan, 'values'>): number => headerWords + values;

export const maskedBytes = ({ values, ringBits }: SecurePlan): number =>
  headerWords * 4 + values * (ringBits / 8);

/** Adds the keystream’s words, or takes them away, in place. */
export function addMask(
  words: Uint32Array,
  key: Uint8Array,
  sign: 1 | -1,
  { keystream }: Pick<Cryptography, 'keystream'>,
): void {
  const next = keystream(key);
  for (let from = 0; from < words.length; from += chunkWords) {
    const part = words.subarray(from, from + chunkWords);
    const mask = asWords(next(part.length * 4));
    if (sign === 1) addWords(part, mask);
    else subtractWords(part, mask);
  }
}

export function addWords(sum: Uint32Array, words: Uint32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (words[i] as number);
}

function subtractWords(sum: Uint32Array, words: Uint32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) - (words[i] as number);
}

function asWords(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/** Of each word after the header the ring’s bits, little-endian. What is cut off is noise: 2^ringBits divides 2^32. */
export function packWords(words: Uint32Array, ringBits: RingBits): Uint8Array {
  if (ringBits === 32) return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  const wide = headerWords * 4;
  const width = ringBits / 8;
  const packed = new Uint8Array(wide + (words.length - headerWords) * width);
  packed.set(new Uint8Array(words.buffer, words.byteOffset, wide));
  let at = wide;
  for (let i = headerWords; i < words.length; i++) {
    const word = words[i] as number;
    for (let byte = 0; byte < width; byte++) packed[at++] = word >>> (8 * byte);
  }
  return packed;
}

/** Adds a packed vector to the sum. Fails with `invalid_argument` where it is not of the plan’s length. */
export function addPacked(sum: Uint32Array, packed: Uint8Array, plan: SecurePlan): Result<void> {
  if (packed.length !== maskedBytes(plan) || sum.length !== wordsOfPlan(plan))
    return err(failure('invalid_argument', `a masked vector of ${packed.length} bytes`));
  const width = plan.ringBits / 8;
  if (width === 4) {
    addWords(sum, asWords(packed));
    return ok(undefined);
  }
  const wide = headerWords * 4;
  addWords(sum.subarray(0, headerWords), asWords(packed.subarray(0, wide)));
  let at = wide;
  for (let i = headerWords; i < sum.length; i++) {
    let word = 0;
    for (let byte = 0; byte < width; byte++) word |= (packed[at++] as number) << (8 * byte);
    sum[i] = (sum[i] as number) + word;
  }
  return ok(undefined);
}
