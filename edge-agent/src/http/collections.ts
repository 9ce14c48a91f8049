// The library for apps: what is in it, what it finds. Answers in words are OpenAI's API, under the model `library`.

import {
  describeIssues,
  err,
  failure,
  nameSchema,
  ok,
  parseJson,
  type Result,
} from '@skerry/shared';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { eraseDocument, type QuotingStore } from '../retrieve/erase-document.ts';
import type { VectorFilling } from '../retrieve/fill-vectors.ts';
import type { Library } from '../retrieve/library.ts';
import { readDocument } from '../retrieve/read/read-document.ts';
import { documentBytesMax, type ReadInThread } from '../retrieve/read/reading.ts';
import type { Sources } from '../retrieve/sources/open-sources.ts';
import { boundBody } from './bound-body.ts';
import { refuse } from './refuse.ts';

export interface CollectionRoutes {
  readonly library: Library;
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly readInThread: ReadInThread;
  /** Where vectors are made elsewhere: how that stands is told with the collections. */
  readonly filling?: Pick<VectorFilling, 'state'> | undefined;
  /** What takes in by itself. */
  readonly taking?: Pick<Sources, 'describe' | 'owns'> | undefined;
  /** What quotes documents, and goes with them. */
  readonly quoting: readonly QuotingStore[];
  readonly nowMs: () => number;
}

const principalSchema = z.string().min(1).max(128);
/** Separated by commas. Whoever may call this API may act as any: the app on this device vouches for them. */
const principalsSchema = z
  .string()
  .transform((text) => text.split(',').flatMap((name) => name.trim() || []))
  .pipe(z.array(principalSchema).max(64));
const metaSchema = z.record(z.string().min(1).max(64), z.string().max(256));

const searchSchema = z.strictObject({
  query: z.string().min(1).max(8_192),
  /** All of them, where none is named. */
  collections: z.array(nameSchema).min(1).max(32).optional(),
  count: z.int().min(1).max(100).default(10),
  mode: z.enum(['hybrid', 'words', 'vectors']).default('hybrid'),
  principals: z.array(principalSchema).max(64).default([]),
  filter: z
    .strictObject({
      uri: z.string().max(512).optional(),
      language: z.string().max(35).optional(),
      meta: metaSchema.optional(),
    })
    .default({}),
});

/** Before what bounds other bodies: a manual is larger than a request. */
export function collectionRoutes({
  library,
  digestOf,
  readInThread,
  quoting,
  filling,
  taking,
  nowMs,
}: CollectionRoutes): Hono {
  const app = new Hono();
  const { collections } = library;

  app.post('/search', boundBody(64 * 1024), async (c) => {
    const asked = await readAsked(c, searchSchema);
    if (!asked.ok) return refuse(c, asked.error);
    const { query, count, mode, principals, filter } = asked.value;
    const names =
      asked.value.collections === undefined
        ? await collections.list()
        : ok(asked.value.collections);
    if (!names.ok) return refuse(c, names.error);
    const outcome = await library.search({
      collections: names.value,
      text: query,
      count,
      mode,
      reader: { principals },
      filter: withoutUndefined(filter),
    });
    if (!outcome.ok) return refuse(c, outcome.error);
    const { found, vector: _, ...rest } = outcome.value;
    return c.json({ ...rest, found });
  });

  app.get('/collections', async (c) => {
    const principals = readPrincipals(c);
    if (!principals.ok) return refuse(c, principals.error);
    const filter = { principals: principals.value };
    const names = await collections.list();
    if (!names.ok) return refuse(c, names.error);
    const described: unknown[] = [];
    for (const name of names.value) {
      const thread = await collections.open(name);
      const stats = thread.ok ? await thread.value.stats(filter) : thread;
      const missing = thread.ok && filling ? await thread.value.countMissing() : undefined;
      const held = thread.ok ? await thread.value.snapshot() : thread;
      const vectorsHelp = library.verdictOn(name);
      const more = {
        ...(missing?.ok && { vectorsMissing: missing.value }),
        ...(vectorsHelp && { vectorsHelp }),
        ...(held.ok && held.value !== undefined && { published: held.value.name }),
      };
      described.push(
        stats.ok ? { name, ...stats.value, ...more } : { name, error: stats.error.message },
      );
    }
    return c.json({
      collections: described,
      embedder: library.embedder?.digest,
      ...(filling && { coordinatorEmbedder: filling.state() }),
    });
  });

  app.get('/sources', (c) => c.json({ sources: taking?.describe() ?? [] }));

  app.get('/collections/:name/documents', async (c) => {
    const thread = await openNamed(library, c);
    if (!thread.ok) return refuse(c, thread.error);
    const principals = readPrincipals(c);
    if (!principals.ok) return refuse(c, principals.error);
    const listed = await thread.value.list({ principals: principals.value });
    return listed.ok ? c.json({ documents: listed.value }) : refuse(c, listed.error);
  });

  app.put('/collections/:name/documents', boundBody(documentBytesMax), async (c) => {
    const name = c.req.param('name');
    const terms = readTerms(c);
    if (!terms.ok) return refuse(c, terms.error);
    // In the place of a source's document it would be believed as that, until its source says it anew. [LIB61]
    if (taking?.owns(name, terms.value.uri))
      return refuse(c, failure('permission_denied', `${terms.value.uri}: a source brings that`));
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    const source = await readDocument(
      { ...terms.value, bytes, digest: digestOf(bytes) },
      readInThread,
    );
    if (!source.ok) return refuse(c, source.error);
    const added = await library.add(name, source.value);
    return added.ok
      ? c.json(added.value, added.value.unchanged ? 200 : 201)
      : refuse(c, added.error);
  });

  app.delete('/collections/:name/documents', async (c) => {
    const thread = await openNamed(library, c);
    if (!thread.ok) return refuse(c, thread.error);
    const ports = { collections, quoting, nowMs };
    const erased = await eraseDocument(ports, thread.value.name, c.req.query('uri') ?? '');
    if (!erased.ok) return refuse(c, erased.error);
    if (erased.value === undefined) return refuse(c, failure('not_found', 'no such document'));
    return c.json(erased.value);
  });
  return app;
}

const openNamed = ({ collections }: Library, c: Context) =>
  collections.open(c.req.param('name') ?? '');

function readPrincipals(c: Context): Result<readonly string[]> {
  const principals = principalsSchema.safeParse(c.req.query('principals') ?? '');
  return principals.success
    ? ok(principals.data)
    : err(failure('invalid_argument', describeIssues(principals.error, 'principals')));
}

/** Strictly: what a filter would not find by is refused, and not dropped. */
function pairsOf(text: string): Record<string, string> | undefined {
  const parts = text.split('&');
  const isWhole = parts.every((part) => /^[^=]+=/.test(part) && !/%(?![\da-f]{2})/i.test(part));
  const pairs = [...new URLSearchParams(text)];
  const keys = new Set(pairs.map(([key]) => key));
  return isWhole && keys.size === parts.length ? Object.fromEntries(pairs) : undefined;
}

const termsSchema = z.strictObject({
  uri: z.string().min(1).max(512),
  title: z.string().min(1).max(200).optional(),
  trust: z.coerce.number().min(0).max(1).default(1),
  /** Separated by commas. */
  readers: z
    .string()
    .transform((text) => text.split(',').map((name) => name.trim()))
    .pipe(z.array(principalSchema).max(64))
    .optional(),
  /** As a query: `key=value&key=value`. */
  meta: z
    .string()
    .max(4_096)
    .transform((text, context) => {
      const meta = pairsOf(text);
      if (meta !== undefined) return meta;
      context.addIssue({ code: 'custom', message: 'is not key=value&key=value, each key once' });
      return z.NEVER;
    })
    .pipe(metaSchema)
    // By it is told of whom a document came, and whose look-alikes it has. [LIB61]
    .refine((meta) => !Object.hasOwn(meta, 'source'), {
      message: 'source: what takes in by itself says that, and nobody else',
    })
    .optional(),
});

/** What a document is, as the query says it; its media type is the request's. */
function readTerms(c: Context) {
  const parsed = termsSchema.safeParse(c.req.query());
  if (!parsed.success)
    return err(failure('invalid_argument', describeIssues(parsed.error, 'the query')));
  const [mediaType = ''] = (c.req.header('content-type') ?? '').split(';');
  return ok({ ...withoutUndefined(parsed.data), mediaType: mediaType.trim().toLowerCase() });
}

async function readAsked<S extends z.ZodType>(c: Context, schema: S): Promise<Result<z.output<S>>> {
  const json = parseJson(new Uint8Array(await c.req.arrayBuffer()), 'the request');
  if (!json.ok) return json;
  const read = schema.safeParse(json.value);
  return read.success
    ? ok(read.data)
    : err(failure('invalid_argument', describeIssues(read.error, 'the request')));
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Optional fields that are undefined are absent. */
const withoutUndefined = <T extends object>(fields: T): Defined<T> =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
