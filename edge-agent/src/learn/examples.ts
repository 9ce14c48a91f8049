// Labelled examples as a trainer takes them: inputs of one shape, as they were asked, one behind the other.

import type { Datatype } from '@skerry/models';

export interface Examples {
  readonly datatype: Datatype;
  /** Of one input, without the batch. */
  readonly shape: readonly number[];
  /** Row-major and little-endian, `labels.length` times the bytes of one. */
  readonly inputs: Uint8Array;
  /** The class that is right. */
  readonly labels: Int32Array;
}

/** How many of each class. */
export function countLabels(labels: Iterable<number>, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) if (label < classes) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/**
 * Whether an example is one of those that are not trained on. By its id, so that it stays what it is while others come and
 * go: what has been trained on once is never evaluated with.
 */
export function isHeldOut(id: string, share: number): boolean {
  // FNV-1a; the low bits alone would follow a counter.
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32 < share;
}
