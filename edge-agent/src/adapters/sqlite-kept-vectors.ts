// Vectors that came with documents to a device without an embedder: kept for one that may come. Nobody searches them until
// then; that one's they are at once, and of another's nothing is left. [TRV18]

import type Database from 'better-sqlite3';
import type { PreparedDocument } from '../retrieve/collection-file.ts';

/** Whose they are stands in `about` as well: who does not know this table takes them for another's. */
export const keptVectorsSchema = 'CREATE TABLE IF NOT EXISTS kept (embedder TEXT NOT NULL);';

interface Embedder {
  readonly digest: string;
  readonly dimensions: number;
}

/** The collection has an embedder from here on. */
export function ownKeptVectors(
  database: Database.Database,
  { digest, dimensions }: Embedder,
): void {
  const kept = database.prepare<[], string>('SELECT embedder FROM kept').pluck().get();
  if (kept === undefined) return;
  database.transaction(() => {
    if (kept !== digest) {
      // What is staged would be taken for whole.
      for (const [table, column] of [
        ['passage', 'document'],
        ['document', 'id'],
      ] as const)
        database.exec(`DELETE FROM ${table} WHERE ${column} IN (SELECT document FROM staged)`);
      database.exec('DELETE FROM staged; DELETE FROM vector');
      database
        .prepare('UPDATE about SET embedder = ?, dimensions = ?, revision = revision + 1')
        .run(digest, dimensions);
    }
    database.exec('DELETE FROM kept');
  })();
}

/** Of a collection that has no embedder: the document as it is kept. In the transaction that writes it. */
export function createKeptVectors(database: Database.Database) {
  const about = database.prepare<[], { embedder: string | null; dimensions: number | null }>(
    'SELECT embedder, dimensions FROM about',
  );
  const own = database.prepare('UPDATE about SET embedder = ?, dimensions = ?');
  const keep = database.prepare('INSERT INTO kept (embedder) VALUES (?)');
  return (document: PreparedDocument, vectorsOf: string | null): PreparedDocument => {
    const dimensions = document.passages.find(({ vector }) => vector)?.vector?.length;
    if (dimensions === undefined) return document;
    const there = about.get();
    if (there?.embedder === null && vectorsOf !== null) {
      own.run(vectorsOf, dimensions);
      keep.run(vectorsOf);
      return document;
    }
    if (there?.embedder === vectorsOf && there.dimensions === dimensions) return document;
    return { ...document, passages: document.passages.map(({ vector: _, ...rest }) => rest) };
  };
}
