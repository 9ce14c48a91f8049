// All blobs of a snapshot, and who may read each: as its manifest and pages say.

import { ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { readPage, type SnapshotManifest } from '@skerry/sync-protocol/collections';
import type { ReadersOf } from './audiences.ts';

export interface SnapshotBlobs {
  readonly readers: ReadersOf;
  /** Of its documents. */
  readonly documents: ReadonlySet<string>;
}

export async function blobsOfSnapshot(
  manifest: SnapshotManifest,
  manifestDigest: string,
  read: (ref: BlobRef) => Promise<Result<Uint8Array>>,
): Promise<Result<SnapshotBlobs>> {
  const readers = new Map<string, readonly string[] | null>([[manifestDigest, null]]);
  const documents = new Set<string>();
  const add = (digest: string, list: readonly string[] | null): void => {
    const before = readers.get(digest);
    // The same bytes under two lists: whoever may read either.
    const both = before === undefined ? list : before && list && [...before, ...list];
    readers.set(digest, both);
  };
  if (manifest.answers !== undefined) add(manifest.answers.digest, null);
  for (const ref of manifest.pages) {
    add(ref.page.digest, ref.readers);
    const bytes = await read(ref.page);
    const page = bytes.ok ? readPage(bytes.value, ref, sha256) : bytes;
    if (!page.ok) return page;
    for (const { blob } of page.value.documents) {
      add(blob.digest, ref.readers);
      documents.add(blob.digest);
    }
  }
  return ok({ readers, documents });
}
