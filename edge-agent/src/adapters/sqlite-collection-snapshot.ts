// What a collection's file holds of the cloud's snapshot, and how the next one takes its place. Documents come in one by
// one as versions that nothing finds; then one transaction turns to them, and leaves nothing of what went.

import { assert } from '@skerry/shared';
import type Database from 'better-sqlite3';
import type {
  HeldSnapshot,
  PreparedDocument,
  SnapshotChange,
} from '../retrieve/collection-file.ts';
import type { VectorIndex } from '../retrieve/vector-index.ts';
import type { createSqliteDocuments } from './sqlite-collection-documents.ts';

/** Of version 2. */
export const snapshotSchema = `
  CREATE TABLE snapshot (one INTEGER PRIMARY KEY CHECK (one = 1), held TEXT NOT NULL);
  CREATE TABLE snapshot_page (digest TEXT PRIMARY KEY, page TEXT NOT NULL);
  CREATE TABLE staged (document INTEGER PRIMARY KEY, uri TEXT NOT NULL, blob TEXT NOT NULL, UNIQUE (uri, blob));
`;

type Index = VectorIndex | undefined;

export function createSqliteSnapshot(
  database: Database.Database,
  documents: ReturnType<typeof createSqliteDocuments>,
) {
  const statements = {
    held: database.prepare<[], string>('SELECT held FROM snapshot').pluck(),
    hold: database.prepare('INSERT OR REPLACE INTO snapshot (one, held) VALUES (1, ?)'),
    pages: database.prepare<[], { digest: string; page: string }>('SELECT * FROM snapshot_page'),
    addPage: database.prepare('INSERT OR IGNORE INTO snapshot_page (digest, page) VALUES (?, ?)'),
    dropPage: database.prepare('DELETE FROM snapshot_page WHERE digest = ?'),
    staged: database.prepare<[], { document: number; uri: string; blob: string }>(
      'SELECT document, uri, blob FROM staged',
    ),
    stage: database.prepare('INSERT INTO staged (document, uri, blob) VALUES (?, ?, ?)'),
    unstage: database.prepare('DELETE FROM staged'),
    uris: database.prepare<[], string>('SELECT DISTINCT uri FROM document').pluck(),
  };
  const read = (): HeldSnapshot | undefined => {
    const text = statements.held.get();
    return text === undefined ? undefined : (JSON.parse(text) as HeldSnapshot);
  };
  // A search asks for it each time.
  let held = read();
  const pages = (): Record<string, string> =>
    Object.fromEntries(statements.pages.all().map(({ digest, page }) => [digest, page]));

  const turnTo = (index: Index, { documents: entries, pages: wanted }: SnapshotChange): void => {
    const left = new Map(statements.staged.all().map((each) => [keyOf(each), each.document]));
    const kept = new Set(entries.map(({ uri }) => uri));
    for (const uri of statements.uris.all())
      if (!kept.has(uri)) documents.keepOnly(index, uri, undefined);
    for (const entry of entries) {
      const key = keyOf({ uri: entry.uri, blob: entry.blob.digest });
      const staged = left.get(key);
      left.delete(key);
      if (staged !== undefined) documents.keepOnly(index, entry.uri, staged);
      else assert(documents.find(entry.uri) !== undefined, 'what is not staged is here');
      documents.setTerms(entry);
    }
    // Of a snapshot that another has overtaken.
    for (const document of left.values()) documents.drop(document);
    for (const digest of Object.keys(pages()))
      if (!Object.hasOwn(wanted, digest)) statements.dropPage.run(digest);
    for (const [digest, page] of Object.entries(wanted)) statements.addPage.run(digest, page);
    statements.unstage.run();
    documents.bump();
  };

  return {
    snapshot: () => held,
    pages,
    staged: () => statements.staged.all().map(({ uri, blob }) => ({ uri, blob })),
    isFollowed: () => held !== undefined || statements.staged.get() !== undefined,
    stage(blob: string, document: PreparedDocument, nowMs: number): void {
      const id = documents.stage(document, nowMs);
      statements.stage.run(id, document.source.uri, blob);
    },
    commit(index: Index, change: SnapshotChange): void {
      turnTo(index, change);
      statements.hold.run(JSON.stringify(change.held));
    },
    /** After a transaction, whether it was or was not. */
    reread(): void {
      held = read();
    },
  };
}

const keyOf = ({ uri, blob }: { readonly uri: string; readonly blob: string }): string =>
  `${blob} ${uri}`;
