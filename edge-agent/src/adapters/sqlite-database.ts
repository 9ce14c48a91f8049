// The device's one database file. WAL with synchronous=FULL: what has been committed survives a power cut.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';

export type SqliteDatabase = Database.Database;

/** Numbered by their place; a released one never changes. */
const migrations = [
  `CREATE TABLE identity (
     device TEXT NOT NULL,
     epoch TEXT NOT NULL,
     last_seq INTEGER NOT NULL DEFAULT 0,
     cursor INTEGER NOT NULL DEFAULT 0,
     last_settled INTEGER NOT NULL DEFAULT 0
   );
   CREATE TABLE outbox (
     seq INTEGER PRIMARY KEY,
     at_ms REAL NOT NULL,
     bytes INTEGER NOT NULL,
     body BLOB NOT NULL
   );
   CREATE TABLE escalations (
     request_id TEXT PRIMARY KEY,
     client_id TEXT,
     model TEXT NOT NULL,
     version TEXT NOT NULL,
     appended_ms REAL NOT NULL,
     local TEXT NOT NULL,
     delivery TEXT NOT NULL CHECK (delivery IN ('open', 'in-time', 'late')),
     answer TEXT,
     settled INTEGER UNIQUE
   );
   CREATE INDEX escalations_by_client ON escalations (client_id);`,
];

/** `path` may be ':memory:'. Fails with `storage_failed`, also for a file that a newer agent has written. */
export function openDatabase(path: string): Result<SqliteDatabase> {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    const database = new Database(path);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    const version = database.pragma('user_version', { simple: true }) as number;
    if (version > migrations.length) {
      database.close();
      return err(
        failure(
          'storage_failed',
          `${path} has schema ${version}, this agent knows ${migrations.length}`,
        ),
      );
    }
    database.transaction(() => {
      for (const migration of migrations.slice(version)) database.exec(migration);
      database.pragma(`user_version = ${migrations.length}`);
    })();
    return ok(database);
  } catch (thrown) {
    return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
  }
}

/**
 * Runs `action` in one transaction. What SQLite refuses (a full disk, a broken file) is `storage_failed`; anything
 * else that `action` throws rolls back and is thrown on.
 */
export function inTransaction<T>(database: SqliteDatabase, action: () => Result<T>): Result<T> {
  try {
    return database.transaction(action).immediate();
  } catch (thrown) {
    if (thrown instanceof Database.SqliteError)
      return err(failure('storage_failed', `${thrown.code}: ${thrown.message}`));
    throw thrown;
  }
}
