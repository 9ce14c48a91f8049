// SourceStore in the device's database.

import { err, failure, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';
import type { SourceEntry, SourceStore } from '../retrieve/sources/source-store.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

const columns = 'source, key, collection, uri, stamp, digest, terms, reason, at_ms AS atMs';

export function createSqliteSourceStore(database: SqliteDatabase): SourceStore {
  const entries = database.prepare<[string], SourceEntry>(
    `SELECT ${columns} FROM source_entry WHERE source = ?`,
  );
  const find = database.prepare<[string, string], SourceEntry>(
    `SELECT ${columns} FROM source_entry WHERE source = ? AND key = ?`,
  );
  const put = database.prepare<[SourceEntry]>(
    `INSERT OR REPLACE INTO source_entry (source, key, collection, uri, stamp, digest, terms, reason, at_ms)
     VALUES (@source, @key, @collection, @uri, @stamp, @digest, @terms, @reason, @atMs)`,
  );
  const remove = database.prepare('DELETE FROM source_entry WHERE source = ? AND key = ?');
  const refused = database.prepare<[string, number], SourceEntry>(
    `SELECT ${columns} FROM source_entry WHERE source = ? AND reason IS NOT NULL
     ORDER BY at_ms DESC, key LIMIT ?`,
  );
  const counts = database.prepare<[string], { taken: number; refused: number }>(
    `SELECT count(*) - count(reason) AS taken, count(reason) AS refused
     FROM source_entry WHERE source = ?`,
  );
  const writing = (write: () => unknown): Result<void> => {
    try {
      write();
      return ok(undefined);
    } catch (thrown) {
      if (!(thrown instanceof Database.SqliteError)) throw thrown;
      return err(failure('storage_failed', `${thrown.code}: ${thrown.message}`));
    }
  };
  return {
    entries: (source) => entries.all(source),
    find: (source, key) => find.get(source, key),
    put: (entry) => writing(() => put.run(entry)),
    remove: (source, key) => writing(() => remove.run(source, key)),
    refused: (source, count) => refused.all(source, count),
    counts: (source) => counts.get(source) ?? { taken: 0, refused: 0 },
  };
}
