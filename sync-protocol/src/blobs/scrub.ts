// Disks rot. A scrub reads every whole blob again and removes what is no longer what its name says, so that it is
// fetched anew and never served: verified at rest, as it was on arrival.

import { err, ok, type Result } from '@skerry/shared';
import type { BlobStore } from './blob-store.ts';

/** An incremental sha256. */
export type CreateHash = () => {
  update(bytes: Uint8Array): unknown;
  /** As `sha256:…`. */
  digest(): string;
};

const readBytesMax = 1_048_576;

/** The digests of the blobs that were damaged, and are gone. Stops early, with what it found, when `signal` aborts. */
export async function scrubBlobs(
  store: BlobStore,
  createHash: CreateHash,
  signal?: AbortSignal,
): Promise<Result<readonly string[]>> {
  const held = await store.list();
  if (!held.ok) return held;
  const damaged: string[] = [];
  for (const { digest, bytes, whole } of held.value) {
    if (signal?.aborted) break;
    if (!whole) continue;
    const intact = await isIntact(store, digest, bytes, createHash);
    if (!intact.ok) {
      if (intact.error.code === 'not_found') continue; // Removed meanwhile.
      return err(intact.error);
    }
    if (intact.value) continue;
    const removed = await store.remove(digest);
    if (!removed.ok) return removed;
    damaged.push(digest);
  }
  return ok(damaged);
}

async function isIntact(
  store: BlobStore,
  digest: string,
  bytes: number,
  createHash: CreateHash,
): Promise<Result<boolean>> {
  const hash = createHash();
  for (let offset = 0; offset < bytes; offset += readBytesMax) {
    const part = await store.read(digest, offset, Math.min(readBytesMax, bytes - offset));
    // A file that has lost its end is damaged, as one with a wrong bit is.
    if (!part.ok) return part.error.code === 'digest_mismatch' ? ok(false) : part;
    hash.update(part.value);
  }
  return ok(hash.digest() === digest);
}
