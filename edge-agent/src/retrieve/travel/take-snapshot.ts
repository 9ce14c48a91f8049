// A snapshot of the cloud's into a collection of this device's: signed, fetched as far as it lacks, each part checked
// against what names it, and then there at once. Until then, and where anything of it is wrong, the one before stands.

import { collect, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  answersBytesMax,
  manifestBytesMax,
  type SnapshotEntry,
  type SnapshotManifest,
  type Subscription,
} from '@skerry/sync-protocol/collections';
import type { SignedSnapshot } from '../../update/trust/signed-snapshot.ts';
import type { HeldSnapshot } from '../collection-file.ts';
import type { CollectionThread } from '../collections.ts';
import type { QuotingStore } from '../erase-document.ts';
import type { Library } from '../library.ts';
import { type Bring, bringPages, checkManifest, findSigned } from './bring-pages.ts';
import { planChange } from './plan-change.ts';
import { stageAll } from './stage-documents.ts';

/** Who may say what a collection holds. */
export interface CollectionTrust {
  refresh(metadata: Uint8Array | undefined, path?: string): Promise<Result<void>>;
  snapshot(path: string): Promise<Result<SignedSnapshot>>;
  /** It is about to stand: nothing of a lower sequence is a `snapshot` after it. */
  snapshotTaken(collection: string, sequence: number): Promise<Result<void>>;
  verifySnapshot(
    evidence: SignedSnapshot['evidence'],
    path: string,
  ): Promise<Result<SignedSnapshot>>;
}

export interface SnapshotBlobs {
  /** ok: whole in the store. */
  fetch(ref: BlobRef): Promise<Result<void>>;
  read(digest: string, offset: number, length: number): Promise<Result<Uint8Array>>;
  /** Nobody waits for it any longer. */
  drop(ref: BlobRef): void;
  /** Its bytes lie in the collection now. */
  release(digest: string): Promise<Result<void>>;
}

export interface TakePorts {
  readonly library: Pick<Library, 'collections' | 'embedder'>;
  readonly trust: CollectionTrust;
  readonly blobs: SnapshotBlobs;
  /** What quotes documents, and goes with those that go. */
  readonly quoting: readonly QuotingStore[];
  /** Keeps answers that were made before, in the place of those that the collection had; says what became of them. */
  readonly answers?:
    | ((collection: string, answers: unknown) => Promise<Result<string>>)
    | undefined;
  /** Documents may have come without their vectors. */
  readonly onMissing?: (() => void) | undefined;
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly nowMs: () => number;
  /** Nobody wants it any longer. */
  readonly signal: AbortSignal;
}

export interface Taken {
  readonly movedBytes: number;
  readonly savedBytes: number;
  readonly embedded: number;
  /** What became of the answers that came with it; null: none came. */
  readonly answers: string | null;
}

/**
 * Undefined: it stands already.
 * @param isTold that it stands: else a crash may have come before its answers [TRV17]
 */
export async function takeSnapshot(
  collection: string,
  wanted: Subscription,
  ports: TakePorts,
  isTold: boolean,
): Promise<Result<Taken | undefined>> {
  const { library, trust, blobs, digestOf } = ports;
  // One that is away now is the one that was: what lacks its vector gets it later.
  const embedder = library.embedder?.digest;
  const held = await heldIn(collection, ports);
  if (!held.ok) return held;
  const moved = { bytes: 0 };
  const bring = async (ref: BlobRef): Promise<Result<Uint8Array>> => {
    const fetched = await blobs.fetch(ref);
    if (!fetched.ok) return fetched;
    moved.bytes += ref.bytes;
    return blobs.read(ref.digest, 0, ref.bytes);
  };
  if (held.value !== undefined && isStanding(held.value, wanted, embedder)) {
    if (isTold) return ok(undefined);
    // It was checked when it came.
    const { answers: ref } = JSON.parse(held.value.manifest) as SnapshotManifest;
    const answers = await takeAnswers(collection, ref, bring, ports);
    return ok({ movedBytes: moved.bytes, savedBytes: 0, embedded: 0, answers });
  }
  const signed = await findSigned(collection, wanted, ports);
  if (!signed.ok) return signed;
  const ref: BlobRef = { digest: signed.value.digest, bytes: signed.value.bytes };
  if (ref.bytes > manifestBytesMax)
    return err(failure('too_large', `a manifest of ${ref.bytes} bytes`));
  const manifestBytes = await bring(ref);
  if (!manifestBytes.ok) return manifestBytes;
  const manifest = checkManifest(manifestBytes.value, signed.value, digestOf);
  if (!manifest.ok) return manifest;
  const thread = await library.collections.openOrCreate(collection);
  if (!thread.ok) return thread;
  const pages = await bringPages(manifest.value, wanted.readers, thread.value, bring, digestOf);
  if (!pages.ok) return pages;
  const before = await entriesOf(thread.value);
  const staged = await thread.value.staged();
  if (!before.ok) return before;
  if (!staged.ok) return staged;
  const sameVectors = embedder === undefined || held.value?.embedder === embedder;
  const here = { held: before.value, staged: staged.value, sameVectors };
  const plan = planChange(here, pages.value.documents);
  const stats = await thread.value.stats();
  if (!stats.ok) return stats;
  const came = manifest.value.vectors?.embedder ?? null;
  const vectorsOf = embedder ?? keptFor(held.value, stats.value.embedder, came);
  const embedded = await stageAll(plan.fetch, thread.value, bring, ports, vectorsOf);
  if (!embedded.ok) return embedded;
  // Who quotes it first, as where one document is erased.
  const forgotten = await forgetAll(collection, plan.gone, thread.value, ports);
  if (!forgotten.ok) return forgotten;
  const { sequence, root } = manifest.value;
  const next: HeldSnapshot = {
    name: { collection, sequence, root, target: wanted.target, manifest: signed.value.digest },
    manifest: new TextDecoder().decode(manifestBytes.value),
    evidence: signed.value.evidence,
    readers: wanted.readers,
    embedder: vectorsOf,
  };
  const { texts, documents } = pages.value;
  // Before it stands: after a crash in between nothing earlier is taken, and this one is.
  const noted = await trust.snapshotTaken(collection, sequence);
  if (!noted.ok) return noted;
  const committed = await thread.value.commit({ held: next, pages: texts, documents });
  if (!committed.ok) return committed;
  ports.onMissing?.();
  const answers = await takeAnswers(collection, manifest.value.answers, bring, ports);
  for (const { digest } of [ref, ...pages.value.fetched]) await blobs.release(digest);
  return ok({
    movedBytes: moved.bytes,
    savedBytes: plan.savedBytes,
    embedded: embedded.value,
    answers,
  });
}

/** What stands there. Fails with `invalid_argument` where a collection of this device's own has the name. */
async function heldIn(
  collection: string,
  { library: { collections } }: TakePorts,
): Promise<Result<HeldSnapshot | undefined>> {
  const thread = await collections.open(collection);
  if (!thread.ok) return thread.error.code === 'not_found' ? ok(undefined) : thread;
  const held = await thread.value.snapshot();
  if (!held.ok || held.value !== undefined) return held;
  const staged = await thread.value.staged();
  if (!staged.ok) return staged;
  const stats = await thread.value.stats({ principals: 'all' });
  if (!stats.ok) return stats;
  return staged.value.length > 0 || stats.value.documents === 0
    ? held
    : err(failure('invalid_argument', `a collection of this device's own is named ${collection}`));
}

const isStanding = (
  held: HeldSnapshot,
  { manifest, readers }: Subscription,
  embedder: string | undefined,
): boolean =>
  held.name.manifest === manifest &&
  (embedder === undefined || held.embedder === embedder) &&
  [...held.readers].sort().join() === [...readers].sort().join();

/** Without an embedder: whose vectors are kept for one that may come, all or none. @param there whose are here */
const keptFor = (
  held: HeldSnapshot | undefined,
  there: string | null,
  came: string | null,
): string | null => {
  if (held !== undefined) return held.embedder;
  return there === null || there === came ? came : null;
};

async function entriesOf(thread: CollectionThread): Promise<Result<readonly SnapshotEntry[]>> {
  const pages = await thread.pages();
  if (!pages.ok) return pages;
  // They were checked when they came.
  const read = Object.values(pages.value).map(
    (text) => (JSON.parse(text) as { readonly documents: SnapshotEntry[] }).documents,
  );
  return ok(read.flat());
}

/** [TRV9] Words of what goes. */
export async function forgetAll(
  collection: string,
  uris: readonly string[],
  thread: CollectionThread,
  { quoting }: Pick<TakePorts, 'quoting'>,
): Promise<Result<void>> {
  for (const uri of uris) {
    const digests = await thread.digestsOf(uri);
    if (!digests.ok) return digests;
    const document = { collection, uri, digests: digests.value };
    const forgotten = collect(await Promise.all(quoting.map((store) => store.forget(document))));
    if (!forgotten.ok) return forgotten;
  }
  return ok(undefined);
}

/** The snapshot stands without them: what is wrong with them is said, and refuses nothing else. */
async function takeAnswers(
  collection: string,
  ref: BlobRef | undefined,
  bring: Bring,
  { answers, blobs, digestOf }: TakePorts,
): Promise<string | null> {
  if (ref === undefined) return null;
  if (answers === undefined) return 'refused: this agent keeps no answers that were made before';
  if (ref.bytes > answersBytesMax) return `refused: ${ref.bytes} bytes of answers`;
  const bytes = await bring(ref);
  if (!bytes.ok) return `refused: ${bytes.error.message}`;
  const isOwn = digestOf(bytes.value) === ref.digest;
  const json = isOwn ? parseJson(bytes.value, 'the answers') : undefined;
  const kept = json?.ok ? await answers(collection, json.value) : json;
  await blobs.release(ref.digest);
  if (kept === undefined) return 'refused: other bytes than were signed';
  return kept.ok ? kept.value : `refused: ${kept.error.message}`;
}
