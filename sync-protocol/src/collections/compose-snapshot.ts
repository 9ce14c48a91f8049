// The documents of a collection as a snapshot: sorted into pages of one access list each, whose borders follow from the
// documents' own names. So a document that comes or goes changes one page, and the others are what a device has already.

import { err, failure, nameSchema, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import { type BlobRef, blobRefSchema } from '../blobs/blob.ts';
import { canonicalJson } from './canonical-json.ts';
import { type DigestOf, merkleRoot } from './merkle.ts';
import {
  entryLeaves,
  manifestBytesMax,
  type PageRef,
  pageBytesMax,
  pageDocumentsMax,
  pageLeaves,
  pagesMax,
  type SnapshotEntry,
  type SnapshotManifest,
  type SnapshotPage,
  snapshotEntrySchema,
  vectorsSchema,
} from './snapshot.ts';

export const draftDocumentsMax = 100_000;

/** What somebody would publish, before it has a number. */
export const snapshotDraftSchema = z.strictObject({
  collection: nameSchema,
  vectors: vectorsSchema.nullable(),
  documents: z.array(snapshotEntrySchema).max(draftDocumentsMax),
  answers: blobRefSchema.optional(),
});
export type SnapshotDraft = z.infer<typeof snapshotDraftSchema>;

export interface ComposedSnapshot {
  readonly manifest: SnapshotManifest;
  readonly manifestBytes: Uint8Array;
  /** By digest. */
  readonly pages: ReadonlyMap<string, Uint8Array>;
}

/** One in so many documents ends its page. */
const pageDocumentsUsual = 32;

/** Fails with `invalid_argument` for a document that comes twice, `too_large` for more than a manifest holds. */
export function composeSnapshot(
  draft: SnapshotDraft,
  before: { readonly sequence: number; readonly manifest: string } | undefined,
  digestOf: DigestOf,
): Result<ComposedSnapshot> {
  const { collection, vectors, answers } = draft;
  const uris = new Set(draft.documents.map(({ uri }) => uri));
  if (uris.size !== draft.documents.length)
    return err(failure('invalid_argument', 'a document is there twice'));
  const blobs = new Map<string, Uint8Array>();
  const pages = pagesOf(draft.documents, digestOf).map((documents): PageRef => {
    const page: SnapshotPage = { schema: 'skerry.collection-page/1', documents };
    const bytes = utf8(canonicalJson(page));
    const ref: BlobRef = { digest: digestOf(bytes), bytes: bytes.length };
    blobs.set(ref.digest, bytes);
    const { readers } = documents[0] as SnapshotEntry;
    const root = merkleRoot(entryLeaves(page), digestOf);
    return { readers, page: ref, documents: documents.length, root };
  });
  const long = pages.find(({ page }) => page.bytes > pageBytesMax);
  if (long !== undefined)
    return err(failure('too_large', `${long.documents} documents say ${long.page.bytes} bytes`));
  const manifest: SnapshotManifest = {
    schema: 'skerry.collection/1',
    collection,
    sequence: (before?.sequence ?? 0) + 1,
    ...(before === undefined ? {} : { previous: before.manifest }),
    vectors,
    pages,
    documents: draft.documents.length,
    passages: draft.documents.reduce((sum, { passages }) => sum + passages, 0),
    ...(answers === undefined ? {} : { answers }),
    root: '',
  };
  const named = { ...manifest, root: merkleRoot(pageLeaves(manifest), digestOf) };
  const manifestBytes = utf8(canonicalJson(named));
  if (pages.length > pagesMax || manifestBytes.length > manifestBytesMax)
    return err(failure('too_large', `${pages.length} pages are more than a manifest holds`));
  return ok({ manifest: named, manifestBytes, pages: blobs });
}

/** Whether the two hold the same: all but what they are called. */
export const isSameContent = (a: SnapshotManifest, b: SnapshotManifest): boolean =>
  a.root === b.root &&
  canonicalJson([a.vectors, a.answers ?? null]) === canonicalJson([b.vectors, b.answers ?? null]);

function pagesOf(
  documents: readonly SnapshotEntry[],
  digestOf: DigestOf,
): readonly SnapshotEntry[][] {
  const keyOf = ({ readers }: SnapshotEntry): string => canonicalJson(readers);
  const sorted = documents
    .map((entry) => ({ ...entry, readers: entry.readers && [...new Set(entry.readers)].sort() }))
    .sort((a, b) => compare(keyOf(a), keyOf(b)) || compare(a.uri, b.uri));
  const pages: SnapshotEntry[][] = [];
  let isOpen = false;
  for (const entry of sorted) {
    const last = pages.at(-1);
    const goesOn =
      isOpen &&
      last !== undefined &&
      last.length < pageDocumentsMax &&
      keyOf(last[0] as SnapshotEntry) === keyOf(entry);
    if (goesOn) last.push(entry);
    else pages.push([entry]);
    isOpen = !endsPage(entry.uri, digestOf);
  }
  return pages;
}

const endsPage = (uri: string, digestOf: DigestOf): boolean =>
  Number.parseInt(digestOf(utf8(uri)).slice(-4), 16) % pageDocumentsUsual === 0;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
