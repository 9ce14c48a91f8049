// What a relay's own updates have brought, kept for its neighbours a while after it lies in a slot. Which blobs these are
// is durable and is all that neighbours see: what an app has put here, or what a question carries, is nobody else's.
// [PEE1, PEE3]

import { type Clock, ok, type Result } from '@skerry/shared';
import type { BlobReferences, BlobStore } from '@skerry/sync-protocol/blobs';
import type { UpdateBlobs } from '../update/update-ports.ts';

export interface KeepCopiesPorts {
  readonly updates: UpdateBlobs;
  readonly store: Pick<BlobStore, 'holding' | 'list' | 'remove'>;
  /** It keeps nothing from being evicted. */
  readonly shown: BlobReferences;
  /** By an update of this device's own. */
  readonly wanted: Pick<Set<string>, 'has' | 'delete'>;
  readonly isComing: (digest: string) => boolean;
  readonly clock: Clock;
}

export interface KeptCopies {
  readonly updates: UpdateBlobs;
  /** A neighbour may know of it. */
  isShown(digest: string): boolean;
  /** It is on its way here, or may be about to set out. */
  isComing(digest: string): boolean;
}

const owner = 'update';
/** An update fetches one file after another: who asks for the next one between two is told to come again. */
const betweenMs = 2_000;

/** @param keptBytesMax of what no update of this device's own wants any longer; the least used goes first */
export function keepCopies(
  { updates, store, shown, wanted, isComing, clock }: KeepCopiesPorts,
  keptBytesMax: number,
): KeptCopies {
  let underWay = 0;
  let endedAtMs = Number.NEGATIVE_INFINITY;

  /** Not what lay here before an update wanted it: it may be an app's. */
  const show = async (digest: string): Promise<Result<void>> => {
    const held = await store.holding(digest);
    if (!held.ok) return held;
    return held.value.kind === 'whole' ? ok(undefined) : shown.add(digest, owner);
  };

  const forget = async (digest: string): Promise<Result<void>> => {
    const removed = await updates.remove(digest);
    return removed.ok ? shown.drop(digest, owner) : removed;
  };

  const trim = async (): Promise<Result<void>> => {
    const held = await store.list();
    if (!held.ok) return held;
    const kept = held.value
      .filter(({ digest }) => shown.has(digest) && !wanted.has(digest))
      .sort((a, b) => a.usedAtMs - b.usedAtMs);
    let excessBytes = kept.reduce((sum, { bytes }) => sum + bytes, -keptBytesMax);
    for (const { digest, bytes } of kept) {
      if (excessBytes <= 0) break;
      const forgotten = await forget(digest);
      if (!forgotten.ok) return forgotten;
      excessBytes -= bytes;
    }
    return ok(undefined);
  };

  return {
    updates: {
      ...updates,
      async fetch(ref) {
        underWay += 1;
        // What cannot be noted is not shown, and the update goes on.
        const [fetched] = await Promise.all([updates.fetch(ref), show(ref.digest)]);
        underWay -= 1;
        endedAtMs = clock.monotonicMs();
        return fetched;
      },
      /** Of what a delta has made too. */
      async finish(digest) {
        await show(digest);
        return updates.finish(digest);
      },
      async release(digest) {
        if (!shown.has(digest)) return updates.release(digest);
        wanted.delete(digest);
        return trim();
      },
      remove: forget,
    },
    isShown: (digest) => shown.has(digest),
    isComing: (digest) =>
      isComing(digest) ||
      (!shown.has(digest) && underWay === 0 && clock.monotonicMs() - endedAtMs < betweenMs),
  };
}
