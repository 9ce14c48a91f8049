// A BlobStore whose disk is an object: it outlives the store that holds it, as a disk outlives a process.

import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { allMissing, isMissing, markPresent, missingCount } from '../blobs/bitmap.ts';
import { chunkCount, chunkSpan } from '../blobs/blob.ts';
import type { BlobStore, Holding } from '../blobs/blob-store.ts';
import { type BlobBounds, blobBoundsDefaults, planEviction } from '../blobs/plan-eviction.ts';

interface Held {
  readonly data: Uint8Array;
  usedAtMs: number;
  missing?: Uint8Array;
}

export type MemoryBlobDisk = Map<string, Held>;

export interface MemoryBlobStorePorts {
  readonly nowMs?: () => number;
  readonly isReferenced?: (digest: string) => boolean;
  /** What a disk that is about to fail says of a write. */
  readonly beforeWrite?: () => Result<void>;
}

export function createMemoryBlobStore(
  disk: MemoryBlobDisk = new Map(),
  bounds: BlobBounds = blobBoundsDefaults,
  ports: MemoryBlobStorePorts = {},
): BlobStore {
  const { nowMs = () => 0, isReferenced = () => false, beforeWrite = () => ok(undefined) } = ports;
  const records = () =>
    [...disk].map(([digest, { data, usedAtMs, missing }]) => {
      return { digest, bytes: data.length, usedAtMs, whole: missing === undefined };
    });
  return {
    async holding(digest): Promise<Result<Holding>> {
      const held = disk.get(digest);
      if (held === undefined) return ok({ kind: 'none' });
      const bytes = held.data.length;
      return ok(
        held.missing === undefined
          ? { kind: 'whole', bytes }
          : { kind: 'partial', bytes, missing: held.missing.slice() },
      );
    },

    async read(digest, offset, length) {
      const held = disk.get(digest);
      if (held === undefined || held.missing !== undefined)
        return err(failure('not_found', `no whole blob ${digest}`));
      if (offset < 0 || length < 0 || offset + length > held.data.length)
        return err(failure('invalid_argument', `no span ${offset}+${length}`));
      held.usedAtMs = nowMs();
      return ok(held.data.slice(offset, offset + length));
    },

    async write({ digest, bytes }, index, chunk) {
      const known = disk.get(digest);
      if (known !== undefined && known.data.length !== bytes)
        return err(failure('invalid_argument', `held with ${known.data.length} bytes`));
      if (known !== undefined && known.missing === undefined) return ok(undefined);
      const span = chunkSpan(bytes, index);
      if (span?.length !== chunk.length) return err(failure('invalid_argument', `chunk ${index}`));
      const writable = beforeWrite();
      if (!writable.ok) return writable;
      if (known === undefined) {
        if (bytes > bounds.quotaBytesMax) return err(failure('too_large', `${bytes} bytes`));
        const evicted = planEviction(records(), bytes, isReferenced, nowMs(), bounds);
        if (evicted === undefined) return err(failure('overloaded', `no room for ${bytes} bytes`));
        for (const blob of evicted) disk.delete(blob.digest);
      }
      const held = known ?? {
        data: new Uint8Array(bytes),
        usedAtMs: nowMs(),
        missing: allMissing(chunkCount(bytes)),
      };
      disk.set(digest, held);
      held.usedAtMs = nowMs();
      if (held.missing === undefined || !isMissing(held.missing, index)) return ok(undefined);
      held.data.set(chunk, span.offset);
      markPresent(held.missing, index);
      return ok(undefined);
    },

    async finish(digest) {
      const held = disk.get(digest);
      if (held === undefined) return err(failure('not_found', `nothing of ${digest}`));
      if (held.missing === undefined) return ok(undefined);
      const missing = missingCount(held.missing);
      if (missing > 0) return err(failure('invalid_argument', `${missing} chunks are missing`));
      if (sha256(held.data) !== digest) {
        disk.delete(digest);
        return err(failure('digest_mismatch', `not the bytes of ${digest}`));
      }
      delete held.missing;
      return ok(undefined);
    },

    async remove(digest) {
      disk.delete(digest);
      return ok(undefined);
    },

    list: async () => ok(records()),
  };
}
