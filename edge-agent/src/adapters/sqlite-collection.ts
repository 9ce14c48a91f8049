// A collection as one SQLite file: its documents, passages, words and vectors, changed together in one transaction. One
// file each, so that no tenant's words count in another's ranking, a collection travels as it is, and to delete it is to
// delete its file. What is deleted is overwritten at once (secure_delete), in the table of words too.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { assert, defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';
import * as sqliteVec from 'sqlite-vec';
import type {
  CollectionFile,
  CollectionFilter,
  DocumentRecord,
  PreparedDocument,
} from '../retrieve/collection-file.ts';
import { fromFloat16, toFloat16 } from '../retrieve/float16.ts';
import { quoted } from '../retrieve/match-query.ts';
import { createMemoryIndex } from '../retrieve/memory-index.ts';
import type { Passage } from '../retrieve/passage.ts';
import type { VectorIndex } from '../retrieve/vector-index.ts';
import { createSqliteVecIndex } from './sqlite-vec-index.ts';

const schemaVersion = 1;

const schema = `
  CREATE TABLE about (name TEXT NOT NULL, embedder TEXT, dimensions INTEGER, revision INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE document (
    id INTEGER PRIMARY KEY,
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
  CREATE TABLE passage (
    id INTEGER PRIMARY KEY,
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
`;

export interface CollectionOptions {
  readonly name: string;
  /** The vectors' own; a file with others is refused. */
  readonly embedder?: { readonly digest: string; readonly dimensions: number } | undefined;
  readonly engine: VectorIndex['engine'];
}

/** Fails with `storage_failed`, and with `invalid_config` for a file whose vectors are another embedder's. */
export function openSqliteCollection(
  path: string,
  options: CollectionOptions,
): Result<CollectionFile> {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    const database = new Database(path);
    // A half-precision vector of 384 dimensions is 768 bytes: pages of 8 KiB leave little of themselves empty.
    database.pragma('page_size = 8192');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('secure_delete = ON');
    database.pragma('mmap_size = 268435456');
    sqliteVec.load(database);
    const prepared = prepare(database, options);
    if (!prepared.ok) database.close();
    return prepared.ok ? ok(createCollection(path, database, options)) : prepared;
  } catch (thrown) {
    return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
  }
}

function prepare(database: Database.Database, { name, embedder }: CollectionOptions): Result<void> {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > schemaVersion)
    return err(failure('storage_failed', `schema ${version}; this agent knows ${schemaVersion}`));
  if (version === 0)
    database.transaction(() => {
      database.exec(schema);
      database
        .prepare('INSERT INTO about (name, embedder, dimensions) VALUES (?, ?, ?)')
        .run(name, embedder?.digest ?? null, embedder?.dimensions ?? null);
      database.pragma(`user_version = ${schemaVersion}`);
    })();
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

interface PassageRow {
  readonly id: number;
  readonly ordinal: number;
  readonly start: number;
  readonly end: number;
  readonly heading: string;
  readonly text: string;
  readonly uri: string;
  readonly title: string;
  readonly digest: string;
  readonly version: number;
  readonly trust: number;
  readonly pages: string | null;
}

function createCollection(
  path: string,
  database: Database.Database,
  { name, embedder, engine }: CollectionOptions,
): CollectionFile {
  const statements = prepareStatements(database);
  const index = embedder && openIndex(database, engine, embedder.dimensions);
  const hasVectors = index !== undefined;

  const passageOf = (row: PassageRow): Passage => {
    const { pages, ...rest } = row;
    const page = pages === null ? undefined : pageAt(JSON.parse(pages) as number[], row.start);
    return { ...rest, collection: name, ...(page === undefined ? {} : { page }) };
  };

  const leaveIndexes = (document: number): void => {
    for (const { id, heading, text } of statements.passagesOf.all(document)) {
      statements.unindexWords.run(id, heading, text);
      index?.remove(id);
    }
  };

  const enterIndexes = (document: number): void => {
    for (const { id, heading, text } of statements.passagesOf.all(document)) {
      statements.indexWords.run(id, heading, text);
      const halves = statements.vectorOf.get(id);
      if (halves !== undefined) index?.add(id, fromFloat16(halvesOf(halves)));
    }
  };

  const put = (document: PreparedDocument, nowMs: number): DocumentRecord => {
    const { source, passages } = document;
    const before = statements.current.get(source.uri);
    const version = (statements.lastVersion.get(source.uri) ?? 0) + 1;
    if (before !== undefined) {
      leaveIndexes(before.id);
      statements.setCurrent.run(0, before.id);
    }
    const { lastInsertRowid } = statements.insertDocument.run({
      uri: source.uri,
      version,
      digest: source.digest,
      title: source.title,
      language: source.language ?? null,
      trust: source.trust,
      readers: source.readers === undefined ? null : JSON.stringify(source.readers),
      meta: JSON.stringify(source.meta ?? {}),
      pages: source.pages === undefined ? null : JSON.stringify(source.pages),
      addedMs: nowMs,
    });
    for (const [ordinal, span] of passages.entries()) {
      const text = source.text.slice(span.start, span.end);
      const at = { ordinal, start: span.start, end: span.end, heading: span.heading, text };
      const passage = statements.insertPassage.run({ document: lastInsertRowid, ...at });
      const vector = span.vector;
      if (vector === undefined) continue;
      statements.insertVector.run(
        passage.lastInsertRowid,
        span.textDigest,
        bytesOf(toFloat16(vector)),
      );
    }
    enterIndexes(Number(lastInsertRowid));
    statements.bump.run();
    return defined(statements.record.get(Number(lastInsertRowid)), source.uri);
  };

  const writing = <T>(action: () => T): Result<T> => {
    try {
      return ok(database.transaction(action).immediate());
    } catch (thrown) {
      if (!(thrown instanceof Database.SqliteError)) throw thrown;
      return err(failure('storage_failed', `${path}: ${thrown.code}: ${thrown.message}`));
    }
  };

  return {
    name,
    engine: index?.engine,
    put: (document, nowMs) => writing(() => put(document, nowMs)),
    find: (uri) => statements.currentRecord.get(uri),
    list: (filter) => {
      const where = conditionOf(filter);
      const sql = `SELECT ${recordColumns} FROM document WHERE document.current = 1 ${where.sql} ORDER BY document.uri`;
      return database.prepare(sql).all(...where.values) as DocumentRecord[];
    },
    vectorsBy: (digests) => {
      const found = new Map<string, Float32Array<ArrayBuffer>>();
      for (const digest of hasVectors ? digests : []) {
        const halves = statements.vectorBy.get(digest);
        if (halves !== undefined) found.set(digest, fromFloat16(halvesOf(halves)));
      }
      return found;
    },
    remove: (uri) => {
      const removed = writing(() => {
        const versions = statements.versions.all(uri);
        for (const { id, current } of versions) {
          if (current === 1) leaveIndexes(id);
          statements.deleteVectors.run(id);
          statements.deletePassages.run(id);
          statements.deleteDocument.run(id);
        }
        if (versions.length > 0) statements.bump.run();
        return versions.length;
      });
      // What the log still held of it goes with the log.
      if (removed.ok && removed.value > 0) database.pragma('wal_checkpoint(TRUNCATE)');
      return removed;
    },
    restore: (uri, version) =>
      writing(() => {
        const wanted = statements.versionOf.get(uri, version);
        const now = statements.current.get(uri);
        if (wanted === undefined) return undefined;
        if (now !== undefined && now.id !== wanted.id) {
          leaveIndexes(now.id);
          statements.setCurrent.run(0, now.id);
        }
        if (now?.id !== wanted.id) {
          statements.setCurrent.run(1, wanted.id);
          enterIndexes(wanted.id);
          statements.bump.run();
        }
        return statements.record.get(wanted.id);
      }),
    searchWords: (match, count, filter) => {
      const where = conditionOf(filter);
      const sql = `SELECT word.rowid AS id, -bm25(word, 2.0, 1.0) AS score FROM word
        ${where.sql === '' ? '' : 'JOIN passage ON passage.id = word.rowid JOIN document ON document.id = passage.document'}
        WHERE word MATCH ? ${where.sql} ORDER BY rank LIMIT ?`;
      return database.prepare(sql).all(match, ...where.values, count) as ReturnType<
        CollectionFile['searchWords']
      >;
    },
    searchVectors: (query, count, filter) => {
      assert(index !== undefined, 'a collection with vectors');
      const where = conditionOf(filter);
      if (where.sql === '') return index.search(query, count);
      const allowed = database
        .prepare(
          `SELECT passage.id FROM passage JOIN document ON document.id = passage.document
           WHERE document.current = 1 ${where.sql}`,
        )
        .pluck()
        .all(...where.values) as number[];
      return index.search(query, count, new Set(allowed));
    },
    countWords: (words, filter) => {
      const where = conditionOf(filter);
      const count = (condition: string) =>
        database
          .prepare(
            `SELECT count(*) FROM passage JOIN document ON document.id = passage.document
             WHERE document.current = 1 ${where.sql} ${condition}`,
          )
          .pluck();
      const having = count('AND passage.id IN (SELECT rowid FROM word WHERE word MATCH ?)');
      return {
        counts: words.map((word) => having.get(...where.values, quoted(word)) as number),
        passages: count('').get(...where.values) as number,
      };
    },
    passages: (ids, filter) => {
      const where = conditionOf(filter);
      const rows = database
        .prepare(
          `SELECT ${passageColumns} FROM passage JOIN document ON document.id = passage.document
           WHERE document.current = 1 AND passage.id IN (SELECT value FROM json_each(?)) ${where.sql}`,
        )
        .all(JSON.stringify(ids), ...where.values) as PassageRow[];
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.flatMap((id) => {
        const row = byId.get(id);
        return row === undefined ? [] : [passageOf(row)];
      });
    },
    textAt: (uri, start, end) => {
      const rows = statements.around.all(uri, end, start);
      const [first] = rows;
      if (first === undefined || first.start > start) return undefined;
      const text = rows
        .map((row) => row.text)
        .join('')
        .slice(start - first.start, end - first.start);
      const { digest, version, id: passage } = first;
      return text.length === end - start ? { digest, version, passage, text } : undefined;
    },
    stats: () => defined(statements.stats.get(), 'counts'),
    close: () => void database.close(),
  };
}

/** What may be read and is asked for, as conditions on `document`. */
function conditionOf({ principals, uri, language, meta }: CollectionFilter): {
  readonly sql: string;
  readonly values: readonly string[];
} {
  const parts: string[] = [];
  const values: string[] = [];
  if (principals !== 'all') {
    parts.push(
      `(document.readers IS NULL OR EXISTS (SELECT 1 FROM json_each(document.readers)
        WHERE value IN (SELECT value FROM json_each(?))))`,
    );
    values.push(JSON.stringify(principals));
  }
  if (uri !== undefined) parts.push('document.uri = ?') && values.push(uri);
  if (language !== undefined) parts.push('document.language = ?') && values.push(language);
  for (const [key, value] of Object.entries(meta ?? {})) {
    parts.push('EXISTS (SELECT 1 FROM json_each(document.meta) WHERE key = ? AND value = ?)');
    values.push(key, value);
  }
  return { sql: parts.map((part) => `AND ${part}`).join(' '), values };
}

function openIndex(
  database: Database.Database,
  engine: VectorIndex['engine'],
  dimensions: number,
): VectorIndex {
  if (engine === 'sqlite-vec') return createSqliteVecIndex(database, dimensions);
  assert(engine === 'memory', `no engine ${engine}`);
  const index = createMemoryIndex(dimensions);
  const rows = database
    .prepare(
      `SELECT vector.passage AS id, vector.halves FROM vector JOIN passage ON passage.id = vector.passage
       JOIN document ON document.id = passage.document WHERE document.current = 1 ORDER BY vector.passage`,
    )
    .iterate() as Iterable<{ id: number; halves: Buffer }>;
  for (const { id, halves } of rows) index.add(id, fromFloat16(halvesOf(halves)));
  return index;
}

const recordColumns = `document.uri, document.version, document.digest, document.title, document.trust,
  document.added_ms AS addedMs, document.language,
  (SELECT count(*) FROM passage WHERE passage.document = document.id) AS passages`;

type Halves = { halves: Buffer };

const passageColumns = `passage.id, passage.ordinal, passage.start, passage."end", passage.heading, passage.text,
  document.uri, document.title, document.digest, document.version, document.trust, document.pages`;

function prepareStatements(database: Database.Database) {
  const halves = (sql: string) => {
    const statement = database.prepare<[number | string], Halves>(sql);
    return { get: (key: number | string): Buffer | undefined => statement.get(key)?.halves };
  };
  const record = (condition: string) =>
    database.prepare<unknown[], DocumentRecord>(
      `SELECT ${recordColumns} FROM document WHERE ${condition}`,
    );
  type Versioned = { id: number; current: number };
  return {
    current: database.prepare<[string], { id: number }>(
      'SELECT id FROM document WHERE uri = ? AND current = 1',
    ),
    versions: database.prepare<[string], Versioned>(
      'SELECT id, current FROM document WHERE uri = ?',
    ),
    versionOf: database.prepare<[string, number], { id: number }>(
      'SELECT id FROM document WHERE uri = ? AND version = ?',
    ),
    lastVersion: {
      get: (uri: string): number | undefined =>
        database
          .prepare<[string], { version: number }>(
            'SELECT version FROM document WHERE uri = ? ORDER BY version DESC LIMIT 1',
          )
          .get(uri)?.version,
    },
    setCurrent: database.prepare('UPDATE document SET current = ? WHERE id = ?'),
    insertDocument: database.prepare(
      `INSERT INTO document (uri, version, current, digest, title, language, trust, readers, meta, pages, added_ms)
       VALUES (@uri, @version, 1, @digest, @title, @language, @trust, @readers, @meta, @pages, @addedMs)`,
    ),
    insertPassage: database.prepare(
      `INSERT INTO passage (document, ordinal, start, "end", heading, text)
       VALUES (@document, @ordinal, @start, @end, @heading, @text)`,
    ),
    insertVector: database.prepare('INSERT INTO vector (passage, digest, halves) VALUES (?, ?, ?)'),
    passagesOf: database.prepare<[number], { id: number; heading: string; text: string }>(
      'SELECT id, heading, text FROM passage WHERE document = ? ORDER BY ordinal',
    ),
    indexWords: database.prepare('INSERT INTO word (rowid, heading, text) VALUES (?, ?, ?)'),
    unindexWords: database.prepare(
      `INSERT INTO word (word, rowid, heading, text) VALUES ('delete', ?, ?, ?)`,
    ),
    vectorOf: halves('SELECT halves FROM vector WHERE passage = ?'),
    vectorBy: halves('SELECT halves FROM vector WHERE digest = ? LIMIT 1'),
    deleteVectors: database.prepare(
      'DELETE FROM vector WHERE passage IN (SELECT id FROM passage WHERE document = ?)',
    ),
    deletePassages: database.prepare('DELETE FROM passage WHERE document = ?'),
    deleteDocument: database.prepare('DELETE FROM document WHERE id = ?'),
    bump: database.prepare('UPDATE about SET revision = revision + 1'),
    record: record('document.id = ?'),
    currentRecord: record('document.uri = ? AND document.current = 1'),
    around: database.prepare<[string, number, number], PassageRow>(
      `SELECT ${passageColumns} FROM passage JOIN document ON document.id = passage.document
       WHERE document.uri = ? AND document.current = 1 AND passage.start < ? AND passage."end" > ? ORDER BY ordinal`,
    ),
    stats: database.prepare<[], ReturnType<CollectionFile['stats']>>(
      `SELECT (SELECT count(*) FROM document WHERE current = 1) AS documents,
        (SELECT count(*) FROM passage JOIN document ON document.id = passage.document WHERE current = 1) AS passages,
        (SELECT count(*) FROM vector) AS vectors, (SELECT revision FROM about) AS revision`,
    ),
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Copies: SQLite's bytes need not be aligned. */
const halvesOf = (bytes: Uint8Array): Uint16Array =>
  new Uint16Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
  );

/** From 1. */
function pageAt(pages: readonly number[], start: number): number {
  let page = 0;
  while (page < pages.length && (pages[page] as number) <= start) page++;
  return Math.max(1, page);
}
