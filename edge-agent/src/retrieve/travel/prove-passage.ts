// The proof that a place in a document is of the snapshot that the collection holds: what was signed, and the hashes from
// the passage up to it. Nothing of it has to be believed.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  entryLeaves,
  type PassageProof,
  passageLeaves,
  proveInclusion,
  readManifest,
  readPage,
  type SnapshotEntry,
  type SnapshotName,
} from '@skerry/sync-protocol/collections';
import type { Collections } from '../collections.ts';
import type { Reader } from '../passage.ts';

export interface SnapshotProof {
  readonly snapshot: SnapshotName;
  /** The signed files that name the snapshot's manifest: TUF metadata, root.json first. */
  readonly evidence: Readonly<Record<string, string>>;
  readonly proof: PassageProof;
}

/** Of the passage in which the place begins. Fails with `not_found` for what is not there, or not for this reader. */
export async function provePassage(
  {
    collections,
    digestOf,
  }: { readonly collections: Collections; readonly digestOf: (bytes: Uint8Array) => string },
  place: { readonly collection: string; readonly uri: string; readonly start: number },
  reader: Reader,
): Promise<Result<SnapshotProof>> {
  const { collection, uri, start } = place;
  const thread = await collections.open(collection);
  if (!thread.ok) return thread;
  const held = await thread.value.snapshot();
  if (!held.ok) return held;
  if (held.value === undefined)
    return err(failure('not_found', `'${collection}' is this device's own: nobody has signed it`));
  const listed = await thread.value.list({ principals: reader.principals, uri });
  if (!listed.ok) return listed;
  const whole = await thread.value.whole(uri);
  if (!whole.ok) return whole;
  const pages = await thread.value.pages();
  if (!pages.ok) return pages;
  const ordinal = whole.value?.passages.findIndex(
    (each) => start >= each.start && start < each.end,
  );
  const passage = ordinal === undefined ? undefined : whole.value?.passages[ordinal];
  if (listed.value.length === 0 || whole.value === undefined || passage === undefined)
    return err(failure('not_found', 'no such place'));
  const manifest = readManifest(utf8(held.value.manifest), digestOf);
  if (!manifest.ok) return manifest;
  for (const [page, ref] of manifest.value.pages.entries()) {
    const text = pages.value[ref.page.digest];
    if (text === undefined) continue;
    const read = readPage(utf8(text), ref, digestOf);
    if (!read.ok) return read;
    const at = read.value.documents.findIndex((entry) => entry.uri === uri);
    if (at === -1) continue;
    const { passages } = whole.value;
    const document = {
      text: passages.map((each) => each.text).join(''),
      passages: passages.map((each) => ({ ...each, textDigest: '' })),
    };
    const proof: PassageProof = {
      manifest: held.value.manifest,
      page,
      entry: read.value.documents[at] as SnapshotEntry,
      entryIn: proveInclusion(entryLeaves(read.value), at, digestOf),
      passage: {
        ordinal: ordinal as number,
        start: passage.start,
        end: passage.end,
        heading: passage.heading,
        text: passage.text,
      },
      passageIn: proveInclusion(passageLeaves(document), ordinal as number, digestOf),
    };
    return ok({ snapshot: held.value.name, evidence: held.value.evidence, proof });
  }
  return err(failure('storage_failed', 'the collection lacks the page that names it'));
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
