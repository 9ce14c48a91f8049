// That a passage is of a snapshot: from its words up to the root that is signed, by hashes alone. Whoever has the
// manifest's digest from somebody they trust needs nothing else.

import { err, failure, type Result } from '@skerry/shared';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { passageLeaf } from './document-blob.ts';
import { type DigestOf, proofHashesMax, provesInclusion } from './merkle.ts';
import { readManifest, type SnapshotManifest, snapshotEntrySchema } from './snapshot.ts';

const inclusionSchema = z.strictObject({
  index: z.int().nonnegative(),
  size: z.int().positive(),
  hashes: z.array(z.string()).max(proofHashesMax),
});

export const passageProofSchema = z.strictObject({
  /** As it was signed, byte by byte. */
  manifest: z.string(),
  /** The page's, among the manifest's. */
  page: z.int().nonnegative(),
  entry: snapshotEntrySchema,
  /** The entry in its page. */
  entryIn: inclusionSchema,
  passage: z.strictObject({
    ordinal: z.int().nonnegative(),
    start: z.int().nonnegative(),
    end: z.int().nonnegative(),
    heading: z.string(),
    text: z.string(),
  }),
  /** The passage in its document. */
  passageIn: inclusionSchema,
});
export type PassageProof = z.infer<typeof passageProofSchema>;

/** @param manifestDigest of the manifest, from somebody trusted. Fails with `untrusted` */
export function checkProof(
  proof: PassageProof,
  manifestDigest: string,
  digestOf: DigestOf,
): Result<SnapshotManifest> {
  const bytes = new TextEncoder().encode(proof.manifest);
  if (digestOf(bytes) !== manifestDigest) return untrusted('it is another manifest');
  const manifest = readManifest(bytes, digestOf);
  if (!manifest.ok) return manifest;
  const page = manifest.value.pages[proof.page];
  // The manifest is signed as a whole: that the page is in it needs no path.
  if (page === undefined) return untrusted('the manifest has no such page');
  const { entry, entryIn, passage, passageIn } = proof;
  if (!provesInclusion(canonicalJson(entry), entryIn, page.root, digestOf))
    return untrusted('the document is not of that page');
  return provesInclusion(passageLeaf(passage), passageIn, entry.passagesRoot, digestOf)
    ? manifest
    : untrusted('the passage is not of that document');
}

const untrusted = (message: string) => err(failure('untrusted', message));
