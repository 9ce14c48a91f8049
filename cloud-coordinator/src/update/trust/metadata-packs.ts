// The repository's metadata in one file, as a blob: where a device finds it that reaches no HTTP.

import { type Clock, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  audiences,
  type BlobRef,
  type BlobReferences,
  type BlobStore,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import type { TrustRepository } from './repository.ts';

export interface MetadataPacksPorts {
  readonly repository: Pick<TrustRepository, 'pack'>;
  readonly blobs: Pick<BlobStore, 'write' | 'finish'>;
  readonly references: BlobReferences;
  readonly clock: Clock;
}

/** Of the metadata that devices may still be fetching. */
const packsKeptMax = 32;
/** A fleet's assignments come by the thousand, and metadata changes by the day. */
const packGoodForMs = 5_000;

/** The newest, at each call. */
export function createMetadataPacks({
  repository,
  blobs,
  references,
  clock,
}: MetadataPacksPorts): () => Promise<Result<BlobRef>> {
  // Those of a start before this one too.
  const packs = references
    .digests()
    .filter((digest) => references.owners(digest).includes(audiences.metadata));
  let latest: { readonly ref: BlobRef; readonly atMs: number } | undefined;

  const keep = async (ref: BlobRef, bytes: Uint8Array): Promise<Result<void>> => {
    const referred = await references.add(ref.digest, audiences.metadata);
    if (!referred.ok) return referred;
    const stored = await storeBytes(blobs, ref, bytes);
    if (!stored.ok) return stored;
    packs.push(ref.digest);
    const oldest = packs.length > packsKeptMax ? packs.shift() : undefined;
    return oldest === undefined ? ok(undefined) : references.drop(oldest, audiences.metadata);
  };

  return async () => {
    const nowMs = clock.monotonicMs();
    if (latest !== undefined && nowMs - latest.atMs < packGoodForMs) return ok(latest.ref);
    const packed = await repository.pack();
    if (!packed.ok) return packed;
    const ref = { digest: sha256(packed.value), bytes: packed.value.length };
    const kept = packs.includes(ref.digest) ? ok(undefined) : await keep(ref, packed.value);
    if (!kept.ok) return kept;
    latest = { ref, atMs: nowMs };
    return ok(ref);
  };
}
