// The documents of a collection's file: their versions, and how one enters and leaves the indexes. What changes something
// is called inside of a transaction.

import { defined } from '@skerry/shared';
import type { SnapshotEntry } from '@skerry/sync-protocol/collections';
import type Database from 'better-sqlite3';
import type {
  BarePassage,
  CollectionFilter,
  DocumentRecord,
  FilledVector,
  IntakeChecks,
  PreparedDocument,
  PreparedPassage,
  WholeDocument,
} from '../retrieve/collection-file.ts';
import { fromFloat16, toFloat16 } from '../retrieve/float16.ts';
import type { SourceDocument } from '../retrieve/passage.ts';
import type { VectorIndex } from '../retrieve/vector-index.ts';
import { type Conditions, conditionsOf, mayRead } from './sqlite-collection-search.ts';

/** Of a document, the one that is found among them. */
const versionsMax = 3;

type Index = VectorIndex | undefined;

export function createSqliteDocuments(database: Database.Database) {
  const statements = prepareStatements(database);
  return {
    whole(uri: string): WholeDocument | undefined {
      const record = recordOf(statements.currentRecord.get(uri));
      if (record === undefined) return undefined;
      const pages = statements.pagesOf.get(uri) ?? null;
      const passages = statements.wholeOf.all(uri).map(({ digest, halves, ...rest }) => ({
        ...rest,
        ...(digest === null ? {} : { textDigest: digest }),
        ...(halves === null ? {} : { halves: halvesOf(halves) }),
      }));
      const paged = pages === null ? {} : { pages: JSON.parse(pages) as number[] };
      return { record, ...paged, passages };
    },
    /** A version that is not found yet. */
    stage({ source, passages }: PreparedDocument, nowMs: number): number {
      const [newest] = statements.versions.all(source.uri);
      const id = insertDocument(statements, source, (newest?.version ?? 0) + 1, nowMs, 0);
      insertPassages(statements, 'not found', id, source.text, passages);
      return id;
    },
    /** Of a document that one only is found, and no other is kept. */
    keepOnly(index: Index, uri: string, kept: number | undefined) {
      for (const { id, current } of statements.versions.all(uri)) {
        if (id === kept) continue;
        if (current === 1) leaveIndexes(statements, index, id);
        deleteVersion(statements, id);
      }
      if (kept === undefined || statements.isCurrent.get(kept) === 1) return;
      statements.setCurrent.run(1, kept);
      enterIndexes(statements, index, kept);
    },
    drop: (id: number) => deleteVersion(statements, id),
    setTerms(entry: SnapshotEntry) {
      statements.setTerms.run({
        uri: entry.uri,
        digest: entry.digest,
        title: entry.title,
        language: entry.language ?? null,
        trust: entry.trust,
        readers: entry.readers === null ? null : JSON.stringify(entry.readers),
        meta: JSON.stringify(entry.meta),
      });
    },
    bump: () => void statements.bump.run(),
    find: (uri: string) => recordOf(statements.currentRecord.get(uri)),
    digestsOf: (uri: string): readonly string[] => statements.digestsOf.all(uri),
    list: (filter: CollectionFilter) =>
      statements.records.all(conditionsOf(filter)).map((row) => recordOf(row)),
    vectorsBy(digests: readonly string[]) {
      const found = new Map<string, Float32Array<ArrayBuffer>>();
      for (const digest of digests) {
        const halves = statements.vectorBy.get(digest);
        if (halves !== undefined) found.set(digest, vectorOf(halves));
      }
      return found;
    },
    missingVectors: (after: number, count: number): readonly BarePassage[] =>
      statements.missing.all(after, count),
    countMissing: (): number => defined(statements.countMissing.get(), 'a count'),
    putVectors: (index: Index, vectors: readonly FilledVector[]) =>
      putVectors(statements, index, vectors),
    put: (index: Index, document: PreparedDocument, nowMs: number) =>
      put(statements, index, document, nowMs),
    remove(index: Index, uri: string) {
      const versions = statements.versions.all(uri);
      for (const { id, current } of versions) {
        if (current === 1) leaveIndexes(statements, index, id);
        deleteVersion(statements, id);
      }
      if (versions.length > 0) statements.bump.run();
      return versions.length;
    },
    restore: (index: Index, uri: string, version: number) =>
      restore(statements, index, uri, version),
  };
}

type Statements = ReturnType<typeof prepareStatements>;

function leaveIndexes(statements: Statements, index: Index, document: number): void {
  for (const { id, heading, text } of statements.passagesOf.all(document)) {
    statements.unindexWords.run(id, heading, text);
    index?.remove(id);
  }
}

/** Of one whose passages are there already. */
function enterIndexes(statements: Statements, index: Index, document: number): void {
  for (const { id, heading, text } of statements.passagesOf.all(document)) {
    statements.indexWords.run(id, heading, text);
    const halves = statements.vectorOf.get(id);
    if (halves !== undefined) index?.add(id, halvesOf(halves));
  }
}

function put(
  statements: Statements,
  index: Index,
  { source, passages, checks }: PreparedDocument,
  nowMs: number,
): DocumentRecord {
  const before = statements.versions.all(source.uri);
  const replaced = before.find(({ current }) => current === 1);
  if (replaced !== undefined) {
    leaveIndexes(statements, index, replaced.id);
    statements.setCurrent.run(0, replaced.id);
  }
  const version = (before[0]?.version ?? 0) + 1;
  const id = insertDocument(statements, source, version, nowMs);
  insertPassages(statements, index, id, source.text, passages);
  if (checks !== undefined) {
    const { sketch, ...rest } = checks;
    statements.insertIntake.run(
      id,
      JSON.stringify(rest),
      rest.nearest ?? null,
      sketch === undefined ? null : new Uint8Array(sketch.buffer),
    );
  }
  // Beside the new one, the one that it replaces and the newest.
  const earlier = before.toSorted((a, b) => b.current - a.current || b.version - a.version);
  for (const old of earlier.slice(versionsMax - 1)) deleteVersion(statements, old.id);
  statements.bump.run();
  return recordOf(defined(statements.record.get(id), source.uri));
}

function insertDocument(
  statements: Statements,
  { uri, digest, title, language, trust, readers, meta, pages }: SourceDocument,
  version: number,
  addedMs: number,
  current: 0 | 1 = 1,
): number {
  const { lastInsertRowid } = statements.insertDocument.run({
    uri,
    version,
    current,
    digest,
    title,
    language: language ?? null,
    trust,
    readers: readers === undefined ? null : JSON.stringify(readers),
    meta: JSON.stringify(meta ?? {}),
    pages: pages === undefined ? null : JSON.stringify(pages),
    addedMs,
  });
  return Number(lastInsertRowid);
}

/** Into the indexes too, where its document is found. */
function insertPassages(
  statements: Statements,
  index: Index | 'not found',
  document: number,
  whole: string,
  passages: readonly PreparedPassage[],
): void {
  for (const [ordinal, { start, end, heading, textDigest, vector }] of passages.entries()) {
    const text = whole.slice(start, end);
    const passage = statements.insertPassage.run(document, ordinal, start, end, heading, text);
    const id = Number(passage.lastInsertRowid);
    if (index !== 'not found') statements.indexWords.run(id, heading, text);
    if (vector === undefined) continue;
    const halves = toFloat16(vector);
    statements.insertVector.run(id, textDigest, bytesOf(halves));
    if (index !== 'not found') index?.add(id, halves);
  }
}

function putVectors(
  statements: Statements,
  index: Index,
  vectors: readonly FilledVector[],
): number {
  const bare = vectors.filter(({ passage }) => statements.isBare.get(passage) === 1);
  for (const { passage, textDigest, vector } of bare) {
    const halves = toFloat16(vector);
    statements.insertVector.run(passage, textDigest, bytesOf(halves));
    index?.add(passage, halves);
  }
  if (bare.length > 0) statements.bump.run();
  return bare.length;
}

/** Of one that is in no index. */
function deleteVersion(statements: Statements, document: number): void {
  statements.deleteVectors.run(document);
  statements.deletePassages.run(document);
  statements.deleteIntake.run(document);
  statements.deleteDocument.run(document);
}

function restore(
  statements: Statements,
  index: Index,
  uri: string,
  version: number,
): DocumentRecord | undefined {
  const versions = statements.versions.all(uri);
  const wanted = versions.find((each) => each.version === version);
  const now = versions.find(({ current }) => current === 1);
  if (wanted === undefined) return undefined;
  if (now !== undefined && now.id !== wanted.id) {
    leaveIndexes(statements, index, now.id);
    statements.setCurrent.run(0, now.id);
  }
  if (now?.id !== wanted.id) {
    statements.setCurrent.run(1, wanted.id);
    enterIndexes(statements, index, wanted.id);
    statements.bump.run();
  }
  return recordOf(statements.record.get(wanted.id));
}

interface WholeRow {
  readonly start: number;
  readonly end: number;
  readonly heading: string;
  readonly text: string;
  readonly digest: string | null;
  readonly halves: Buffer | null;
}

interface RecordRow extends Omit<DocumentRecord, 'readers' | 'meta' | 'checks'> {
  readonly checks: string | null;
  readonly readers: string | null;
  readonly meta: string;
}

function recordOf(row: RecordRow): DocumentRecord;
function recordOf(row: RecordRow | undefined): DocumentRecord | undefined;
function recordOf(row: RecordRow | undefined): DocumentRecord | undefined {
  if (row === undefined) return undefined;
  const { readers, meta, checks, ...rest } = row;
  return {
    ...rest,
    readers: readers === null ? null : (JSON.parse(readers) as string[]),
    meta: JSON.parse(meta) as Record<string, string>,
    checks: checks === null ? null : (JSON.parse(checks) as Omit<IntakeChecks, 'sketch'>),
  };
}

/** Of whom a document came. Also an index's: it is used where a query says it word by word. */
export const sourceColumn = `coalesce(json_extract(meta, '$.source'), '')`;

const barePassages = `FROM passage JOIN document ON document.id = passage.document
  WHERE document.current = 1 AND NOT EXISTS (SELECT 1 FROM vector WHERE vector.passage = passage.id)`;

const recordColumns = `document.uri, document.version, document.digest, document.title, document.trust,
  document.added_ms AS addedMs, document.language, document.readers, document.meta,
  (SELECT checks FROM intake WHERE intake.document = document.id) AS checks,
  (SELECT count(*) FROM passage WHERE passage.document = document.id) AS passages,
  (SELECT count(*) FROM vector JOIN passage ON passage.id = vector.passage
    WHERE passage.document = document.id) AS vectors`;

function prepareStatements(database: Database.Database) {
  const record = <K extends unknown[]>(condition: string) =>
    database.prepare<K, RecordRow>(`SELECT ${recordColumns} FROM document WHERE ${condition}`);
  type Versioned = { id: number; version: number; current: number };
  return {
    /** The newest first. */
    versions: database.prepare<[string], Versioned>(
      'SELECT id, version, current FROM document WHERE uri = ? ORDER BY version DESC',
    ),
    isCurrent: database
      .prepare<[number], number>('SELECT current FROM document WHERE id = ?')
      .pluck(),
    setTerms: database.prepare(
      `UPDATE document SET digest = @digest, title = @title, language = @language, trust = @trust,
       readers = @readers, meta = @meta WHERE uri = @uri AND current = 1`,
    ),
    pagesOf: database
      .prepare<[string], string | null>('SELECT pages FROM document WHERE uri = ? AND current = 1')
      .pluck(),
    wholeOf: database.prepare<[string], WholeRow>(
      `SELECT passage.start, passage."end", passage.heading, passage.text, vector.digest, vector.halves
       FROM passage JOIN document ON document.id = passage.document
       LEFT JOIN vector ON vector.passage = passage.id
       WHERE document.uri = ? AND document.current = 1 ORDER BY passage.ordinal`,
    ),
    setCurrent: database.prepare('UPDATE document SET current = ? WHERE id = ?'),
    insertDocument: database.prepare(
      `INSERT INTO document (uri, version, current, digest, title, language, trust, readers, meta, pages, added_ms)
       VALUES (@uri, @version, @current, @digest, @title, @language, @trust, @readers, @meta, @pages, @addedMs)`,
    ),
    insertPassage: database.prepare(
      `INSERT INTO passage (document, ordinal, start, "end", heading, text)
       VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    missing: database.prepare<[number, number], BarePassage>(
      `SELECT passage.id, document.title, passage.heading, passage.text ${barePassages}
       AND passage.id > ? ORDER BY passage.id LIMIT ?`,
    ),
    countMissing: database.prepare<[], number>(`SELECT count(*) ${barePassages}`).pluck(),
    isBare: database
      .prepare<[number], number>(`SELECT EXISTS (SELECT 1 ${barePassages} AND passage.id = ?)`)
      .pluck(),
    insertIntake: database.prepare('INSERT INTO intake VALUES (?, ?, ?, ?)'),
    deleteIntake: database.prepare('DELETE FROM intake WHERE document = ?'),
    insertVector: database.prepare('INSERT INTO vector (passage, digest, halves) VALUES (?, ?, ?)'),
    passagesOf: database.prepare<[number], { id: number; heading: string; text: string }>(
      'SELECT id, heading, text FROM passage WHERE document = ? ORDER BY ordinal',
    ),
    indexWords: database.prepare('INSERT INTO word (rowid, heading, text) VALUES (?, ?, ?)'),
    unindexWords: database.prepare(
      `INSERT INTO word (word, rowid, heading, text) VALUES ('delete', ?, ?, ?)`,
    ),
    vectorOf: database
      .prepare<[number], Buffer>('SELECT halves FROM vector WHERE passage = ?')
      .pluck(),
    vectorBy: database
      .prepare<[string], Buffer>('SELECT halves FROM vector WHERE digest = ? LIMIT 1')
      .pluck(),
    deleteVectors: database.prepare(
      'DELETE FROM vector WHERE passage IN (SELECT id FROM passage WHERE document = ?)',
    ),
    deletePassages: database.prepare('DELETE FROM passage WHERE document = ?'),
    deleteDocument: database.prepare('DELETE FROM document WHERE id = ?'),
    bump: database.prepare('UPDATE about SET revision = revision + 1'),
    record: record<[number]>('document.id = ?'),
    digestsOf: database
      .prepare<[string], string>('SELECT digest FROM document WHERE uri = ?')
      .pluck(),
    currentRecord: record<[string]>('document.uri = ? AND document.current = 1'),
    records: record<[Conditions]>(`document.current = 1 AND ${mayRead} ORDER BY document.uri`),
  };
}

/** SQLite's bytes need not be aligned. */
export const copyOf = ({ buffer, byteOffset, byteLength }: Uint8Array): ArrayBuffer =>
  buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** As they are stored; copies, since SQLite's bytes need not be aligned. */
export const halvesOf = ({
  buffer,
  byteOffset,
  byteLength,
}: Uint8Array): Uint16Array<ArrayBuffer> =>
  new Uint16Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);

const vectorOf = (bytes: Uint8Array): Float32Array<ArrayBuffer> => fromFloat16(halvesOf(bytes));
