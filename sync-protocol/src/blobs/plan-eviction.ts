// Which blobs go when room is needed: garbage first, by last use; never what somebody refers to, never what was used a
// moment ago (an op that names it may be on its way). A partial blob is garbage too, once it has been left alone.

import type { BlobRecord } from './blob-store.ts';

export interface BlobBounds {
  /** Of all blobs together; a partial one counts as whole. */
  readonly quotaBytesMax: number;
  readonly partialsMax: number;
  /** Nothing younger is evicted. */
  readonly graceMs: number;
}

export const blobBoundsDefaults: BlobBounds = {
  quotaBytesMax: 4 * 1_073_741_824,
  partialsMax: 256,
  graceMs: 3_600_000,
};

/** What to remove so that a partial blob of `bytes` fits, or `undefined` where that cannot be. */
export function planEviction(
  held: readonly BlobRecord[],
  bytes: number,
  isReferenced: (digest: string) => boolean,
  nowMs: number,
  bounds: BlobBounds,
): readonly BlobRecord[] | undefined {
  let excessBytes = held.reduce((sum, b) => sum + b.bytes, bytes) - bounds.quotaBytesMax;
  let excessPartials = held.filter((b) => !b.whole).length + 1 - bounds.partialsMax;
  const garbage = held
    .filter((b) => nowMs - b.usedAtMs >= bounds.graceMs && !isReferenced(b.digest))
    .sort((a, b) => a.usedAtMs - b.usedAtMs);
  const evicted: BlobRecord[] = [];
  for (const blob of garbage) {
    const helps = excessBytes > 0 || (excessPartials > 0 && !blob.whole);
    if (!helps) continue;
    evicted.push(blob);
    excessBytes -= blob.bytes;
    if (!blob.whole) excessPartials -= 1;
  }
  return excessBytes > 0 || excessPartials > 0 ? undefined : evicted;
}
