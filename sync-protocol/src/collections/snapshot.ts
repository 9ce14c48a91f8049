// A collection as it travels: a manifest, which names pages, which name documents, each by its digest. Who has the
// manifest signed has all of it signed, and who holds an earlier one lacks only what differs. A page is of one access list,
// so that of what a device may not have it learns nothing but how much there is.

import {
  describeIssues,
  digestSchema,
  err,
  failure,
  nameSchema,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { z } from 'zod';
import { blobRefSchema } from '../blobs/blob.ts';
import { canonicalJson } from './canonical-json.ts';
import { type DigestOf, merkleRoot } from './merkle.ts';

export const pageDocumentsMax = 256;
export const pagesMax = 4_096;
export const manifestBytesMax = 2 * 1024 * 1024;
export const pageBytesMax = 4 * 1024 * 1024;
export const documentBlobBytesMax = 64 * 1024 * 1024;
export const passagesMax = 200_000;
export const answersBytesMax = 4 * 1024 * 1024;
export const readersMax = 64;

const countSchema = z.int().nonnegative();
export const principalSchema = z.string().min(1).max(128);

/** Who may read a document; null: everybody. */
const readersSchema = z.array(principalSchema).max(readersMax).nullable();

/** Of what a device reads whole. */
const refUpTo = (bytesMax: number) =>
  blobRefSchema.refine(({ bytes }) => bytes <= bytesMax, `more than ${bytesMax} bytes`);

/** A document, and where its bytes are. Everything that is said of it is in here, so that terms change without bytes. */
export const snapshotEntrySchema = z.strictObject({
  uri: z.string().min(1).max(512),
  /** Of the bytes it was read from. */
  digest: digestSchema,
  title: z.string().max(512),
  language: z.string().max(35).optional(),
  trust: z.number().min(0).max(1),
  readers: readersSchema,
  meta: z.record(z.string().max(64), z.string().max(256)),
  /** Its text, its passages' places, their vectors. */
  blob: refUpTo(documentBlobBytesMax),
  passages: z.int().min(0).max(passagesMax),
  /** Of the tree over its passages. */
  passagesRoot: digestSchema,
});
export type SnapshotEntry = z.infer<typeof snapshotEntrySchema>;

export const snapshotPageSchema = z.strictObject({
  schema: z.literal('skerry.collection-page/1'),
  /** By uri; all of one access list. */
  documents: z.array(snapshotEntrySchema).min(1).max(pageDocumentsMax),
});
export type SnapshotPage = z.infer<typeof snapshotPageSchema>;

const pageRefSchema = z.strictObject({
  readers: readersSchema,
  page: refUpTo(pageBytesMax),
  documents: z.int().min(1).max(pageDocumentsMax),
  /** Of the tree over its documents. */
  root: digestSchema,
});
export type PageRef = z.infer<typeof pageRefSchema>;

export const vectorsSchema = z.strictObject({
  embedder: digestSchema,
  dimensions: z.int().min(1).max(8_192),
});

export const snapshotManifestSchema = z.strictObject({
  schema: z.literal('skerry.collection/1'),
  collection: nameSchema,
  /** Rises with each snapshot of its name. */
  sequence: z.int().positive(),
  /** The manifest before it; absent in the first. */
  previous: digestSchema.optional(),
  /** Whose the vectors are; null: there are none. */
  vectors: vectorsSchema.nullable(),
  pages: z.array(pageRefSchema).max(pagesMax),
  documents: countSchema,
  passages: countSchema,
  /** Answers made before, to a site's commonest questions. */
  answers: blobRefSchema.optional(),
  /** Of the tree over the pages: it names what the snapshot holds. */
  root: digestSchema,
});
export type SnapshotManifest = z.infer<typeof snapshotManifestSchema>;

/** Where it stands among the targets that are signed. */
export const snapshotTargetPath = (collection: string, sequence: number): string =>
  `collections/${collection}/${sequence}.json`;

/** What is signed beside the manifest's digest: it is that collection's, and no other's. */
export const snapshotTargetSchema = z.strictObject({
  collection: nameSchema,
  sequence: z.int().positive(),
  root: digestSchema,
});
export type SnapshotTarget = z.infer<typeof snapshotTargetSchema>;

/** By which a search, an answer or a citation names the snapshot that it is from. */
export interface SnapshotName {
  readonly collection: string;
  readonly sequence: number;
  readonly root: string;
  readonly target: string;
  /** sha256 of the manifest. */
  readonly manifest: string;
}

const entryLeaf = (entry: SnapshotEntry): string => canonicalJson(entry);
const pageLeaf = (page: PageRef): string => canonicalJson(page);
export const entryLeaves = ({ documents }: SnapshotPage): string[] => documents.map(entryLeaf);
export const pageLeaves = ({ pages }: SnapshotManifest): string[] => pages.map(pageLeaf);

/** Fails with `malformed_message`. Its bytes must be what somebody trusted has signed. */
export function readManifest(bytes: Uint8Array, digestOf: DigestOf): Result<SnapshotManifest> {
  const manifest = readJson(bytes, manifestBytesMax, snapshotManifestSchema, 'the manifest');
  if (!manifest.ok) return manifest;
  if (merkleRoot(pageLeaves(manifest.value), digestOf) !== manifest.value.root)
    return malformed('the manifest: its root is not its pages’');
  return manifest;
}

/** Fails with `malformed_message` for what is not the page that is meant, though it has its digest. */
export function readPage(
  bytes: Uint8Array,
  { readers, root, documents }: PageRef,
  digestOf: DigestOf,
): Result<SnapshotPage> {
  const page = readJson(bytes, pageBytesMax, snapshotPageSchema, 'the page');
  if (!page.ok) return page;
  const isOwn = page.value.documents.every(
    (entry) => canonicalJson(entry.readers) === canonicalJson(readers),
  );
  if (!isOwn) return malformed('the page: it holds what others may read than it says');
  if (page.value.documents.length !== documents) return malformed('the page: not as long as said');
  return merkleRoot(entryLeaves(page.value), digestOf) === root
    ? page
    : malformed('the page: its root is not its documents’');
}

/** Whether who may act as `principals` may have what these readers may read. */
export const isFor = (readers: readonly string[] | null, principals: readonly string[]): boolean =>
  readers === null || readers.some((reader) => principals.includes(reader));

export function readJson<S extends z.ZodType>(
  bytes: Uint8Array,
  bytesMax: number,
  schema: S,
  what: string,
): Result<z.output<S>> {
  if (bytes.length > bytesMax) return malformed(`${what}: more than ${bytesMax} bytes`);
  const json = parseJson(bytes, what, 'malformed_message');
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  return parsed.success ? ok(parsed.data) : malformed(describeIssues(parsed.error, what));
}

const malformed = (message: string) => err(failure('malformed_message', message));
