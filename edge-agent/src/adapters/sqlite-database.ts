// The device's one database file. WAL with synchronous=FULL: what has been committed survives a power cut.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { err, type Failure, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';

export type SqliteDatabase = Database.Database;

/** Numbered by their place; a released one never changes. */
const migrations = [
  `CREATE TABLE identity (
     device TEXT NOT NULL,
     boot INTEGER NOT NULL DEFAULT 0,
     quarantined INTEGER NOT NULL DEFAULT 0,
     cursor INTEGER NOT NULL DEFAULT 0,
     last_settled INTEGER NOT NULL DEFAULT 0
   );
   CREATE TABLE lane (
     lane TEXT PRIMARY KEY,
     last_seq INTEGER NOT NULL
   );
   CREATE TABLE outbox (
     lane TEXT NOT NULL,
     seq INTEGER NOT NULL,
     epoch TEXT NOT NULL,
     kind TEXT NOT NULL,
     at_ms REAL NOT NULL,
     bytes INTEGER NOT NULL,
     body BLOB NOT NULL,
     PRIMARY KEY (lane, seq)
   );
   CREATE INDEX outbox_by_kind ON outbox (kind, at_ms, bytes);
   CREATE TABLE drops (
     kind TEXT PRIMARY KEY,
     expired INTEGER NOT NULL DEFAULT 0,
     evicted INTEGER NOT NULL DEFAULT 0,
     over_budget INTEGER NOT NULL DEFAULT 0
   );
   CREATE TABLE quarantine (
     position INTEGER PRIMARY KEY,
     kind TEXT NOT NULL,
     reason TEXT NOT NULL,
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
  `CREATE TABLE document (
     document TEXT PRIMARY KEY,
     epoch INTEGER NOT NULL,
     version INTEGER NOT NULL,
     heads TEXT NOT NULL,
     save BLOB
   );
   CREATE TABLE document_change (
     id INTEGER PRIMARY KEY,
     document TEXT NOT NULL,
     bytes BLOB NOT NULL
   );
   CREATE INDEX document_change_by_document ON document_change (document, id);
   CREATE TABLE document_hub (
     document TEXT PRIMARY KEY,
     heads TEXT NOT NULL
   );
   CREATE TABLE document_inbox (
     position INTEGER PRIMARY KEY,
     document TEXT NOT NULL,
     frame BLOB NOT NULL
   );
   CREATE TABLE document_quarantine (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     document TEXT NOT NULL,
     source TEXT NOT NULL,
     reason TEXT NOT NULL,
     bytes BLOB NOT NULL,
     at_ms REAL NOT NULL
   );`,
  `CREATE TABLE budget (
     name TEXT PRIMARY KEY,
     tokens REAL NOT NULL,
     at_ms REAL NOT NULL
   );`,
  `CREATE TABLE learned (
     request_id TEXT PRIMARY KEY,
     variant TEXT NOT NULL,
     embedding BLOB NOT NULL,
     answer TEXT NOT NULL,
     learned_ms REAL NOT NULL,
     expires_ms REAL NOT NULL
   );
   CREATE TABLE webhook (
     settled INTEGER NOT NULL
   );`,
  // Of a site's relay.
  `CREATE TABLE relay_neighbour (
     device TEXT PRIMARY KEY,
     position INTEGER NOT NULL,
     heard_ms REAL NOT NULL
   );
   CREATE TABLE relay_mark (
     device TEXT NOT NULL,
     epoch TEXT NOT NULL,
     lane TEXT NOT NULL,
     seq INTEGER NOT NULL,
     PRIMARY KEY (device, epoch, lane)
   );
   CREATE TABLE relay_frame (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     device TEXT NOT NULL,
     at_ms REAL NOT NULL,
     body BLOB NOT NULL
   );
   CREATE TABLE relay_down (
     device TEXT NOT NULL,
     position INTEGER NOT NULL,
     at_ms REAL NOT NULL,
     bytes INTEGER NOT NULL,
     body BLOB NOT NULL,
     PRIMARY KEY (device, position)
   );
   CREATE TABLE document_member (
     document TEXT NOT NULL,
     device TEXT NOT NULL,
     epoch INTEGER NOT NULL,
     heads TEXT NOT NULL,
     basis_epoch INTEGER NOT NULL,
     basis TEXT NOT NULL,
     position INTEGER NOT NULL,
     PRIMARY KEY (document, device)
   );`,
  // An op of the outbox has no position.
  `ALTER TABLE quarantine RENAME TO quarantine_before;
   CREATE TABLE quarantine (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     position INTEGER,
     kind TEXT NOT NULL,
     reason TEXT NOT NULL,
     body BLOB NOT NULL
   );
   INSERT INTO quarantine (position, kind, reason, body)
     SELECT position, kind, reason, body FROM quarantine_before ORDER BY position;
   DROP TABLE quarantine_before;`,
  `CREATE TABLE update_device (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     counter INTEGER NOT NULL,
     reading TEXT,
     health TEXT NOT NULL DEFAULT '{}'
   );
   CREATE TABLE update_model (
     model TEXT PRIMARY KEY,
     record TEXT NOT NULL
   );
   CREATE TABLE update_start (
     model TEXT PRIMARY KEY,
     starts INTEGER NOT NULL
   );
   CREATE TABLE update_factory (
     folder TEXT PRIMARY KEY,
     model TEXT NOT NULL
   );
   CREATE TABLE update_owed (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     body BLOB NOT NULL
   );
   CREATE TABLE update_inbox (
     id INTEGER PRIMARY KEY CHECK (id = 1),
     envelope BLOB NOT NULL
   );`,
  'ALTER TABLE document ADD COLUMN since_ms REAL;',
  `CREATE TABLE example (
     id TEXT PRIMARY KEY,
     model TEXT NOT NULL,
     label TEXT NOT NULL,
     source TEXT NOT NULL CHECK (source IN ('person', 'cloud')),
     use TEXT NOT NULL CHECK (use IN ('train', 'evaluate')),
     kept_ms REAL NOT NULL,
     expires_ms REAL NOT NULL,
     request TEXT UNIQUE,
     datatype TEXT NOT NULL,
     shape TEXT NOT NULL,
     bytes INTEGER NOT NULL,
     data BLOB NOT NULL
   );
   CREATE INDEX example_by_label ON example (model, label, kept_ms, bytes);
   CREATE INDEX example_by_expiry ON example (expires_ms);
   CREATE TABLE example_asked (
     request TEXT PRIMARY KEY,
     model TEXT NOT NULL,
     asked_ms REAL NOT NULL,
     datatype TEXT NOT NULL,
     shape TEXT NOT NULL,
     bytes INTEGER NOT NULL,
     data BLOB NOT NULL
   );
   CREATE TABLE example_consent (
     model TEXT PRIMARY KEY,
     people INTEGER NOT NULL,
     cloud INTEGER NOT NULL
   );
   CREATE TABLE example_reference (
     bundle TEXT PRIMARY KEY,
     counts TEXT NOT NULL
   );
   CREATE TABLE learn_run (
     run TEXT PRIMARY KEY,
     round INTEGER NOT NULL,
     attempt INTEGER NOT NULL,
     task TEXT NOT NULL,
     body BLOB,
     received_ms REAL NOT NULL,
     tries INTEGER NOT NULL,
     model TEXT,
     outcome TEXT
   );
   CREATE TABLE learn_state (
     run TEXT NOT NULL,
     slot TEXT NOT NULL,
     round INTEGER NOT NULL,
     data BLOB NOT NULL,
     PRIMARY KEY (run, slot, round)
   );`,
  // `outcome`: what was said, until it is checked.
  `CREATE TABLE question (
     request_id TEXT PRIMARY KEY,
     record TEXT NOT NULL,
     outcome TEXT,
     settled INTEGER UNIQUE
   );`,
  `CREATE TABLE learn_spent (
     model TEXT PRIMARY KEY,
     rho REAL NOT NULL
   );
   CREATE TABLE learn_opened (
     run TEXT PRIMARY KEY,
     round INTEGER NOT NULL
   );`,
  `CREATE TABLE source_entry (
     source TEXT NOT NULL,
     key TEXT NOT NULL,
     collection TEXT NOT NULL,
     uri TEXT NOT NULL,
     stamp TEXT NOT NULL,
     digest TEXT,
     terms TEXT NOT NULL,
     reason TEXT,
     at_ms REAL NOT NULL,
     PRIMARY KEY (source, key)
   );
   CREATE INDEX source_entry_refused ON source_entry (source, at_ms) WHERE reason IS NOT NULL;
   CREATE TABLE source_cursor (
     source TEXT PRIMARY KEY,
     cursor TEXT NOT NULL
   );`,
  `CREATE TABLE conversation_turn (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     reader TEXT NOT NULL,
     conversation TEXT NOT NULL,
     at_ms REAL NOT NULL,
     bytes INTEGER NOT NULL,
     record TEXT NOT NULL
   );
   CREATE INDEX conversation_turn_by_conversation ON conversation_turn (reader, conversation, id);
   CREATE INDEX conversation_turn_by_age ON conversation_turn (at_ms);`,
  // Of conversations that are shared. `thread`: a hash of whose it is, and its name.
  `ALTER TABLE conversation_turn ADD COLUMN turn TEXT;
   ALTER TABLE conversation_turn ADD COLUMN share TEXT;
   CREATE UNIQUE INDEX conversation_turn_by_turn ON conversation_turn (turn);
   DROP INDEX conversation_turn_by_conversation;
   CREATE INDEX conversation_turn_by_conversation ON conversation_turn (reader, conversation, at_ms, id);
   CREATE TABLE conversation_gone (
     thread TEXT NOT NULL,
     turn TEXT NOT NULL,
     until_ms REAL NOT NULL,
     kept_ms REAL NOT NULL,
     PRIMARY KEY (thread, turn)
   );`,
  `CREATE TABLE source_message (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     source TEXT NOT NULL,
     payload BLOB NOT NULL
   );
   CREATE INDEX source_message_by_source ON source_message (source, id);`,
];

/** `path` may be ':memory:'. Fails with `storage_failed`, also for a file that a newer agent has written. */
export function openDatabase(path: string): Result<SqliteDatabase> {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    const database = new Database(path);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    // What is deleted is overwritten: questions quote documents that may have to go.
    database.pragma('secure_delete = ON');
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

/** Whether it is empty now, and with it what was deleted: somebody who reads the file may keep it. */
export function truncateLog(database: SqliteDatabase): boolean {
  const [state] = database.pragma('wal_checkpoint(TRUNCATE)') as { readonly busy: number }[];
  return state?.busy === 0;
}

/** Leaves a transaction whose result is a failure: better-sqlite3 rolls back for a throw alone. */
class Rollback extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/**
 * Runs `action` in one transaction; inside another, in a savepoint of it. A failure that it returns rolls back. What
 * SQLite refuses (a full disk, a broken file) is `storage_failed`; anything else that `action` throws rolls back and is
 * thrown on.
 */
export function inTransaction<T>(database: SqliteDatabase, action: () => Result<T>): Result<T> {
  try {
    return database
      .transaction(() => {
        const result = action();
        if (!result.ok) throw new Rollback(result.error);
        return result;
      })
      .immediate();
  } catch (thrown) {
    if (thrown instanceof Rollback) return err(thrown.failure);
    if (thrown instanceof Database.SqliteError)
      return err(failure('storage_failed', `${thrown.code}: ${thrown.message}`));
    throw thrown;
  }
}
