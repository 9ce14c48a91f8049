// A collection as one SQLite file: its documents, passages, words and vectors, changed together in one transaction. One
// file each, so that no tenant's words count in another's ranking, a collection travels as it is, and to delete it is to
// delete its file. What is deleted is overwritten at once (secure_delete), in the table of words too.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';
import * as sqliteVec from 'sqlite-vec';
import type { CollectionFile } from '../retrieve/collection-file.ts';
import { createMemoryIndex } from '../retrieve/memory-index.ts';
import { type EnginePlan, planEngine } from '../retrieve/plan-engine.ts';
import { followed } from '../retrieve/refuse-followed.ts';
import type { EngineName, VectorIndex } from '../retrieve/vector-index.ts';
import { createGraphIndex, loadUsearch, removeGraphs } from './graph-index.ts';
import { createSqliteDocuments, halvesOf, sourceColumn } from './sqlite-collection-documents.ts';
import { createSqliteSearch } from './sqlite-collection-search.ts';
import { createSqliteSnapshot, snapshotSchema } from './sqlite-collection-snapshot.ts';
import { truncateLog } from './sqlite-database.ts';
import { createIntakeMemory } from './sqlite-intake-memory.ts';
import { createKeptVectors, keptVectorsSchema, ownKeptVectors } from './sqlite-kept-vectors.ts';
import { createScoreOf, createSqliteVecIndex, dropSqliteVecIndex } from './sqlite-vec-index.ts';

const schemaVersion = 2;

// AUTOINCREMENT: what an index or a citation has once named is never something else.
const schema = `
  CREATE TABLE about (name TEXT NOT NULL, embedder TEXT, dimensions INTEGER, revision INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE document (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uri TEXT NOT NULL,
    version INTEGER NOT NULL,
    current INTEGER NOT NULL,
    digest TEXT NOT NULL,
    title TEXT NOT NULL,
    language TEXT,
    trust REAL NOT NULL,
    readers TEXT,
    meta TEXT NOT NULL,
    pages TEXT,
    added_ms REAL NOT NULL,
    UNIQUE (uri, version)
  );
  CREATE UNIQUE INDEX document_current ON document (uri) WHERE current = 1;
  CREATE INDEX document_restricted ON document (id) WHERE current = 1 AND readers IS NOT NULL;
  CREATE TABLE passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL
  );
  CREATE UNIQUE INDEX passage_by_document ON passage (document, ordinal);
  CREATE TABLE vector (passage INTEGER PRIMARY KEY, digest TEXT NOT NULL, halves BLOB NOT NULL);
  CREATE INDEX vector_by_digest ON vector (digest);
  CREATE VIRTUAL TABLE word USING fts5(
    heading, text, content='passage', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
  );
  INSERT INTO word (word, rank) VALUES ('secure-delete', 1);
  INSERT INTO word (word, rank) VALUES ('rank', 'bm25(2.0, 1.0)');
`;

/** What others need not know: who wrote the file before it had the table has nothing to say here. */
const intakeSchema = `
  CREATE TABLE IF NOT EXISTS intake (
    document INTEGER PRIMARY KEY, checks TEXT NOT NULL, nearest REAL, sketch BLOB);
  CREATE INDEX IF NOT EXISTS document_by_source ON document (${sourceColumn}, added_ms) WHERE current = 1;
`;

/** For others who have the file open. */
const lockWaitMs = 1_000;
/** Vectors that are read at once where an index is filled. */
const fillBatch = 1_000;
/** A million vectors' bits, or eighty thousand with their halves, of 384 dimensions. */
export const vectorMemoryBytesMax = 64 * 2 ** 20;
/** Bits are scanned as words of 32. */
const dimensionsStep = 32;

export interface CollectionOptions {
  readonly name: string;
  /** The vectors' own; a file with others is refused. */
  readonly embedder?: { readonly digest: string; readonly dimensions: number } | undefined;
  /** `auto`: by how many vectors there are. */
  readonly engine: EngineName | 'auto';
  /** That its vectors may take now. */
  readonly memoryBytesMax?: () => number;
}

/** Fails with `storage_failed`, and with `invalid_config` for a file whose vectors are another embedder's. */
export function openSqliteCollection(
  path: string,
  options: CollectionOptions,
): Result<CollectionFile> {
  let database: Database.Database | undefined;
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    database = new Database(path, { timeout: lockWaitMs });
    // A half-precision vector of 384 dimensions is 768 bytes: pages of 8 KiB leave little of themselves empty.
    database.pragma('page_size = 8192');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('secure_delete = ON');
    database.pragma('mmap_size = 268435456');
    sqliteVec.load(database);
    const prepared = prepare(database, options);
    if (prepared.ok) return ok(createCollection(path, database, options));
    database.close();
    return prepared;
  } catch (thrown) {
    database?.close();
    return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
  }
}

function prepare(database: Database.Database, { name, embedder }: CollectionOptions): Result<void> {
  if (embedder !== undefined && embedder.dimensions % dimensionsStep !== 0)
    return err(
      failure(
        'invalid_config',
        `${embedder.dimensions} dimensions: no multiple of ${dimensionsStep}`,
      ),
    );
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > schemaVersion)
    return err(failure('storage_failed', `schema ${version}; this agent knows ${schemaVersion}`));
  if (version === 0)
    database.transaction(() => {
      database.exec(schema);
      database
        .prepare('INSERT INTO about (name, embedder, dimensions) VALUES (?, ?, ?)')
        .run(name, embedder?.digest ?? null, embedder?.dimensions ?? null);
      database.exec(snapshotSchema);
      database.pragma(`user_version = ${schemaVersion}`);
    })();
  if (version === 1)
    database.transaction(() => {
      database.exec(snapshotSchema);
      database.pragma(`user_version = ${schemaVersion}`);
    })();
  database.exec(intakeSchema);
  database.exec(keptVectorsSchema);
  if (embedder !== undefined) ownKeptVectors(database, embedder);
  const about = database.prepare('SELECT embedder FROM about').get() as { embedder: string | null };
  if (embedder === undefined || about.embedder === embedder.digest) return ok(undefined);
  if (about.embedder !== null)
    return err(
      failure('invalid_config', `its vectors are of ${about.embedder}, not ${embedder.digest}`),
    );
  database
    .prepare('UPDATE about SET embedder = ?, dimensions = ?')
    .run(embedder.digest, embedder.dimensions);
  return ok(undefined);
}

function createCollection(
  path: string,
  database: Database.Database,
  options: CollectionOptions,
): CollectionFile {
  const { name, embedder, engine: wanted, memoryBytesMax = () => vectorMemoryBytesMax } = options;
  const documents = createSqliteDocuments(database);
  const snapshot = createSqliteSnapshot(database, documents);
  const keptOf = createKeptVectors(database);
  // What a delete before a crash has left in the log goes now.
  truncateLog(database);
  // A graph is a file.
  const hasGraphs = path !== ':memory:' && wanted !== 'memory' && loadUsearch() !== undefined;
  const planOf = (vectors: number): EnginePlan | undefined =>
    embedder &&
    planEngine({
      ...{ wanted, vectors, hasGraphs },
      dimensions: embedder.dimensions,
      memoryBytesMax: memoryBytesMax(),
    });
  let plan = planOf(countVectors(database));
  // What another engine has left would be another state's, or hold what is deleted.
  if (plan === undefined || plan.engine === 'memory') dropSqliteVecIndex(database);
  if (plan?.engine !== 'usearch') removeGraphs(path);
  let index: VectorIndex | undefined;
  const indexNow = (): VectorIndex | undefined => {
    index ??=
      plan &&
      embedder &&
      openIndex(path, database, plan.engine, embedder.dimensions, memoryBytesMax);
    return index;
  };
  indexNow();
  /** Of more vectors than when it was opened; back to memory it goes when it is opened again. [LIB35] */
  const planAgain = (): void => {
    const now = planOf(index?.size ?? 0);
    if (now === undefined || now.engine === plan?.engine || now.engine === 'memory') return;
    plan = now;
    index = undefined;
  };

  /** One transaction. Where it fails, an index in memory is another state's: the next call builds it again. */
  const writing = <T>(action: (index: VectorIndex | undefined) => T): Result<T> => {
    try {
      const opened = indexNow();
      const done = database.transaction(() => action(opened)).immediate();
      planAgain();
      return ok(done);
    } catch (thrown) {
      index = undefined;
      if (!(thrown instanceof Database.SqliteError)) throw thrown;
      return err(failure('storage_failed', `${path}: ${thrown.code}: ${thrown.message}`));
    }
  };

  /** [TRV6] Else it would not be what it says that it is. */
  const own = <T>(action: () => Result<T>): Result<T> =>
    snapshot.isFollowed() ? err(followed(name)) : action();
  /** What the log still holds of what went goes with the log; also of one whose call before failed here. */
  const leavingNothing = <T>(changed: Result<T>): Result<T> =>
    changed.ok && !truncateLog(database)
      ? err(failure('storage_failed', `${path}: somebody reads it, and keeps its log`))
      : changed;
  const search = createSqliteSearch(database, name, indexNow);
  const intake = createIntakeMemory(database, search.revision);
  return {
    name,
    ...search,
    get engine() {
      return plan?.engine;
    },
    get memoryBytes() {
      return index?.memoryBytes ?? 0;
    },
    stats(filter) {
      if (plan === undefined) return search.stats(filter);
      const engineReason = [plan.reason, index?.state].filter(Boolean).join('; ');
      return { ...search.stats(filter), engine: plan.engine, engineReason };
    },
    work: () => index?.work?.() ?? false,
    find: (uri) => documents.find(uri),
    digestsOf: (uri) => documents.digestsOf(uri),
    list: (filter) => documents.list(filter),
    vectorsBy: (digests) => (embedder === undefined ? new Map() : documents.vectorsBy(digests)),
    missingVectors: (after, count) => documents.missingVectors(after, count),
    countMissing: () => documents.countMissing(),
    putVectors: (vectors) => writing((index) => documents.putVectors(index, vectors)),
    sketches: intake.sketches,
    nearestScores: intake.nearestScores,
    put(document, nowMs) {
      const before = documents.find(document.source.uri);
      const put = own(() => writing((index) => documents.put(index, document, nowMs)));
      // Another's place was taken: what is kept of that one is out of date.
      if (put.ok && before === undefined) intake.added(document, nowMs);
      return put;
    },
    remove: (uri) => own(() => leavingNothing(writing((index) => documents.remove(index, uri)))),
    restore: (uri, version) =>
      own(() => writing((index) => documents.restore(index, uri, version))),
    snapshot: snapshot.snapshot,
    pages: snapshot.pages,
    whole: documents.whole,
    stage: (blob, document, nowMs, vectorsOf = null) =>
      writing(() => {
        const kept = embedder === undefined ? keptOf(document, vectorsOf) : document;
        snapshot.stage(blob, kept, nowMs);
      }),
    staged: snapshot.staged,
    commit(change) {
      const turned = writing((index) => snapshot.commit(index, change));
      snapshot.reread();
      return leavingNothing(turned);
    },
    close: () => void database.close(),
  };
}

/** Filled from the collection where it is empty: in memory, or a table that is new. */
function openIndex(
  path: string,
  database: Database.Database,
  engine: EngineName,
  dimensions: number,
  memoryBytesMax: () => number,
): VectorIndex {
  const page = database.prepare<[number, number], { id: number; halves: Buffer }>(
    `SELECT vector.passage AS id, vector.halves FROM vector JOIN passage ON passage.id = vector.passage
     JOIN document ON document.id = passage.document WHERE document.current = 1 AND vector.passage > ?
     ORDER BY vector.passage LIMIT ?`,
  );
  const open = (): VectorIndex => {
    const index =
      engine === 'memory'
        ? createMemoryIndex(dimensions)
        : createSqliteVecIndex(database, dimensions, memoryBytesMax);
    if (index.size > 0) return index;
    for (let rows = page.all(0, fillBatch); rows.length > 0; ) {
      for (const { id, halves } of rows) index.add(id, halvesOf(halves));
      rows = page.all(defined(rows.at(-1), 'the last row').id, fillBatch);
    }
    return index;
  };
  // A table that is made and not filled would never be.
  const filled = engine === 'memory' ? open() : database.transaction(open).immediate();
  const usearch = engine === 'usearch' ? loadUsearch() : undefined;
  if (usearch === undefined) return filled;
  const revision = database.prepare<[], number>('SELECT revision FROM about').pluck();
  return createGraphIndex(usearch, filled, {
    path,
    dimensions,
    revision: () => defined(revision.get(), 'a revision'),
    vectorsAfter: (id, count) =>
      page.all(id, count).map((row) => ({ id: row.id, halves: halvesOf(row.halves) })),
    scoreOf: createScoreOf(database, dimensions),
  });
}

function countVectors(database: Database.Database): number {
  const count = database.prepare<[], number>('SELECT count(*) FROM vector').pluck();
  return defined(count.get(), 'a count');
}
