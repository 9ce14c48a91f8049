import type { Digest } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { Examples } from '../bundle/run-stages.ts';
import { tensorBytes } from '../tensor.ts';

/** Names examples and their labels: sha256 over each set's input and its labels, 32 bits each, in this order. */
export function examplesDigest(...sets: readonly Examples[]): Digest {
  const parts = sets.flatMap(({ input, labels }) => [
    tensorBytes(input),
    new Uint8Array(Int32Array.from(labels).buffer),
  ]);
  return sha256(Buffer.concat(parts));
}
