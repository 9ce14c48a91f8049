// SourceStore in the device's database.

import { err, failure, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';
import type { RowValue } from '../retrieve/sources/rows-source.ts';
import type { SourceEntry, SourceInbox, SourceStore } from '../retrieve/sources/source-store.ts';
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
  const trim = database.prepare(
    `DELETE FROM source_entry WHERE source = @source AND reason IS NOT NULL AND at_ms <
     (SELECT at_ms FROM source_entry WHERE source = @source AND reason IS NOT NULL
      ORDER BY at_ms DESC LIMIT 1 OFFSET @count)`,
  );
  const cursor = database
    .prepare<[string], string>('SELECT cursor FROM source_cursor WHERE source = ?')
    .pluck();
  const setCursor = database.prepare('INSERT OR REPLACE INTO source_cursor VALUES (?, ?)');
  return {
    inbox: inboxOf(database),
    entries: (source) => entries.all(source),
    find: (source, key) => find.get(source, key),
    put: (entry) => writing(() => put.run(entry)),
    remove: (source, key) => writing(() => remove.run(source, key)),
    refused: (source, count) => refused.all(source, count),
    trim: (source, count) => void trim.run({ source, count }),
    cursor(source, terms) {
      const kept = cursor.get(source);
      const read = kept === undefined ? undefined : (JSON.parse(kept) as [string, RowValue]);
      return read?.[0] === terms ? read[1] : undefined;
    },
    setCursor: (source, terms, value) =>
      writing(() => setCursor.run(source, JSON.stringify([terms, value]))),
    counts: (source) => counts.get(source) ?? { taken: 0, refused: 0 },
  };
}

function inboxOf(database: SqliteDatabase): SourceInbox {
  const receive = database.prepare('INSERT INTO source_message (source, payload) VALUES (?, ?)');
  const waiting = database.prepare<[string], { messages: number; bytes: number }>(
    `SELECT count(*) AS messages, coalesce(sum(length(payload)), 0) AS bytes
     FROM source_message WHERE source = ?`,
  );
  const oldest = database.prepare<[string], { id: number; payload: Uint8Array }>(
    'SELECT id, payload FROM source_message WHERE source = ? ORDER BY id LIMIT 1',
  );
  const remove = database.prepare('DELETE FROM source_message WHERE id = ?');
  const keepOf = database.prepare(
    'DELETE FROM source_message WHERE source NOT IN (SELECT value FROM json_each(?))',
  );
  return {
    receive: (source, payload) => writing(() => receive.run(source, payload)),
    waiting: (source) => waiting.get(source) ?? { messages: 0, bytes: 0 },
    oldest: (source) => oldest.get(source),
    dealtWith: (id) => writing(() => remove.run(id)),
    keepOf: (sources) => writing(() => keepOf.run(JSON.stringify(sources))),
  };
}

function writing(write: () => unknown): Result<void> {
  try {
    write();
    return ok(undefined);
  } catch (thrown) {
    if (!(thrown instanceof Database.SqliteError)) throw thrown;
    return err(failure('storage_failed', `${thrown.code}: ${thrown.message}`));
  }
}
