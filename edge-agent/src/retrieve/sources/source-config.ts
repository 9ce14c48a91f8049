// What the library takes in by itself: a list in the configuration's file, or its JSON in a flag.

import { countSchema, nameSchema, orItsJson } from '@skerry/shared';
import { z } from 'zod';

const hourMs = 3_600_000;

/** Of each document of a source. */
const termsShape = {
  /** Its documents are called `NAME/…`. */
  name: nameSchema,
  collection: nameSchema,
  /** How far what comes from here is believed, 0–1. */
  trust: z.number().min(0).max(1).default(1),
  /** Who may read it; absent: everybody. */
  readers: z.array(z.string().min(1).max(128)).max(64).optional(),
};

const folderSchema = z.strictObject({
  kind: z.literal('folder'),
  folder: z.string().min(1),
  ...termsShape,
  filesMax: countSchema(1, 1_000_000).default(10_000),
  bytesMax: countSchema(1, 2 ** 40).default(4 * 1024 ** 3),
  depthMax: countSchema(0, 64).default(16),
  /** A file is taken once it has stood still for so long; one that is missing goes after twice as long. */
  settleMs: countSchema(0, hourMs).default(2_000),
  /** What nobody has told us of is found then. */
  rescanMs: countSchema(100, 24 * hourMs).default(60_000),
});
export type FolderSource = z.output<typeof folderSchema>;

const sourceSchema = z.discriminatedUnion('kind', [folderSchema]);
export type LibrarySource = z.output<typeof sourceSchema>;

export const librarySourcesSchema = orItsJson(z.array(sourceSchema).max(64))
  .default([])
  .refine(
    (sources) => new Set(sources.map(({ name }) => name)).size === sources.length,
    'two sources share a name',
  );
