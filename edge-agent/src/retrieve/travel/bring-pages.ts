// What was signed of a snapshot, and the lists of its documents: each checked against what names it.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  isFor,
  type PageRef,
  readManifest,
  readPage,
  type SnapshotEntry,
  type SnapshotManifest,
  type Subscription,
} from '@skerry/sync-protocol/collections';
import type { SignedSnapshot } from '../../update/trust/signed-snapshot.ts';
import type { CollectionThread } from '../collections.ts';
import type { TakePorts } from './take-snapshot.ts';

/** They are in memory at once. */
const pagesBytesMax = 64 * 1024 * 1024;

export type Bring = (ref: BlobRef) => Promise<Result<Uint8Array>>;

/** By whom the targets role lets speak for it, now. */
export async function findSigned(
  collection: string,
  { target, manifest, metadata, metadataBytes = 0 }: Subscription,
  { trust, blobs }: TakePorts,
): Promise<Result<SignedSnapshot>> {
  let refreshed = await trust.refresh(undefined, target);
  // No address that answers: by whichever wire blobs come.
  if (!refreshed.ok && refreshed.error.code === 'unavailable' && metadata !== undefined) {
    const ref = { digest: metadata, bytes: metadataBytes };
    const fetched = await blobs.fetch(ref);
    const pack = fetched.ok ? await blobs.read(ref.digest, 0, ref.bytes) : fetched;
    if (!pack.ok) return pack;
    blobs.drop(ref);
    refreshed = await trust.refresh(pack.value, target);
  }
  // What was accepted before may still say so.
  const signed = await trust.snapshot(target);
  if (!signed.ok) return refreshed.ok ? signed : refreshed;
  if (signed.value.custom.collection !== collection)
    return err(failure('untrusted', `${target} is signed as ${signed.value.custom.collection}`));
  return signed.value.digest === manifest
    ? signed
    : err(failure('untrusted', `${target} is signed with another manifest than was said`));
}

export function checkManifest(
  bytes: Uint8Array,
  { custom, digest }: SignedSnapshot,
  digestOf: TakePorts['digestOf'],
): Result<SnapshotManifest> {
  if (digestOf(bytes) !== digest) return err(failure('digest_mismatch', 'another manifest'));
  const manifest = readManifest(bytes, digestOf);
  if (!manifest.ok) return manifest;
  const { collection, sequence, root } = manifest.value;
  const isOwn =
    custom.collection === collection && custom.sequence === sequence && custom.root === root;
  return isOwn ? manifest : err(failure('untrusted', 'the manifest is not what was signed'));
}

interface BroughtPages {
  readonly texts: Readonly<Record<string, string>>;
  readonly documents: readonly SnapshotEntry[];
  readonly fetched: readonly BlobRef[];
}

/** Those that this device may have; what it holds of them is not fetched again. */
export async function bringPages(
  { pages }: SnapshotManifest,
  readers: readonly string[],
  thread: CollectionThread,
  bring: Bring,
  digestOf: TakePorts['digestOf'],
): Promise<Result<BroughtPages>> {
  const own = pages.filter((each) => isFor(each.readers, readers));
  const pagesBytes = own.reduce((sum, { page }) => sum + page.bytes, 0);
  if (pagesBytes > pagesBytesMax) return err(failure('too_large', `${pagesBytes} bytes of pages`));
  const known = await thread.pages();
  if (!known.ok) return known;
  const texts: Record<string, string> = {};
  const documents: SnapshotEntry[] = [];
  const fetched: BlobRef[] = [];
  for (const ref of own) {
    const { digest } = ref.page;
    const text = known.value[digest];
    if (text === undefined) fetched.push(ref.page);
    const bytes = text === undefined ? await bring(ref.page) : ok(new TextEncoder().encode(text));
    if (!bytes.ok) return bytes;
    const page = readChecked(bytes.value, ref, digestOf);
    if (!page.ok) return page;
    texts[digest] = new TextDecoder().decode(bytes.value);
    documents.push(...page.value.documents);
  }
  const uris = new Set(documents.map(({ uri }) => uri));
  return uris.size === documents.length
    ? ok({ texts, documents, fetched })
    : err(failure('malformed_message', 'two of its pages name the same document'));
}

const readChecked = (bytes: Uint8Array, ref: PageRef, digestOf: TakePorts['digestOf']) =>
  digestOf(bytes) === ref.page.digest
    ? readPage(bytes, ref, digestOf)
    : err(failure('digest_mismatch', 'another page'));
