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

const topicSchema = z.strictObject({
  kind: z.literal('mqtt'),
  broker: z.url({ protocol: /^mqtts?$/ }),
  topic: z.string().min(1).max(512),
  ...termsShape,
  messageBytesMax: countSchema(1, 64 * 1024 ** 2).default(1024 ** 2),
  waitingMax: countSchema(1, 10_000).default(256),
  waitingBytesMax: countSchema(1, 1024 ** 3).default(32 * 1024 ** 2),
  /** Documents that it may bring, by their keys. */
  keysMax: countSchema(1, 10_000_000).default(100_000),
});
export type TopicSource = z.output<typeof topicSchema>;

const columnSchema = z.string().min(1).max(128);
const rowsShape = {
  /** What is read; only ever read. */
  query: z.string().min(1).max(16_384),
  key: columnSchema,
  text: z.array(columnSchema).min(1).max(64),
  title: columnSchema.optional(),
  /** A column that rises with each change of a row; absent: all rows are read each time. */
  cursor: columnSchema.optional(),
  ...termsShape,
  everyMs: countSchema(100, 24 * hourMs).default(60_000),
  rowsMax: countSchema(1, 1_000_000).default(100_000),
};
const sqliteSchema = z.strictObject({
  kind: z.literal('sqlite'),
  file: z.string().min(1),
  ...rowsShape,
});
export type SqliteSource = z.output<typeof sqliteSchema>;
const postgresSchema = z.strictObject({
  kind: z.literal('postgres'),
  // It may hold a password.
  url: z.url({ protocol: /^postgres(ql)?$/ }),
  ...rowsShape,
});
export type PostgresSource = z.output<typeof postgresSchema>;
export type RowsSource = SqliteSource | PostgresSource;

const sourceSchema = z.discriminatedUnion('kind', [
  folderSchema,
  topicSchema,
  sqliteSchema,
  postgresSchema,
]);
export type LibrarySource = z.output<typeof sourceSchema>;

export const librarySourcesSchema = orItsJson(z.array(sourceSchema).max(64))
  .default([])
  .refine(
    (sources) => new Set(sources.map(({ name }) => name)).size === sources.length,
    'two sources share a name',
  );

/** Whether what is called so there is a document of one of them. */
export const bringsDocument = (
  sources: readonly Pick<LibrarySource, 'name' | 'collection'>[],
  collection: string,
  uri: string,
): boolean =>
  sources.some((each) => each.collection === collection && uri.startsWith(`${each.name}/`));
