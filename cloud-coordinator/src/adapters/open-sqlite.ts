// The coordinator's database as one SQLite file. synchronous=FULL, because an acknowledgement to a device is a
// promise that must outlive a power cut; WAL, because readers must not wait for that.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import Database from 'better-sqlite3';
import {
  Kysely,
  Migrator,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteStatement,
  sql,
} from 'kysely';
import { migrations } from './migrations.ts';
import type { Schema } from './schema.ts';

const busyTimeoutMs = 5_000;
/** There are some fifty; what is built for a certain number of rows is long, and never comes again. */
const statementsKeptMax = 200;
const statementCharsMax = 2_000;

/** Opens or makes the file, and brings its schema up to date. `:memory:` is a database that ends with the process. */
export async function openSqlite(path: string): Promise<Result<Kysely<Schema>>> {
  let db: Kysely<Schema> | undefined;
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    const file = new Database(path, { timeout: busyTimeoutMs });
    db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: writingAtOnce(file) }) });
    file.pragma('journal_mode = WAL');
    file.pragma('synchronous = FULL');
    // What is deleted is overwritten: what people have said in a conversation may have to go. [CON10]
    file.pragma('secure_delete = ON');
    const all = migrations({
      bytes: 'blob',
      rowNumber: 'integer',
      rowNumberOnce: 'integer primary key autoincrement',
    });
    const migrator = new Migrator({ db, provider: { getMigrations: async () => all } });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return ok(db);
  } catch (thrown) {
    await db?.destroy();
    return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
  }
}

/** What was deleted still lies in its log, as it was written: that is emptied. False: somebody else reads it, and keeps it. */
export async function truncateLog(db: Kysely<Schema>): Promise<Result<boolean>> {
  const done = await attempt(() =>
    sql<{ busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db),
  );
  return done.ok ? ok(done.value.rows[0]?.busy === 0) : done;
}

/**
 * Transactions that take the write lock when they begin. One that reads first and writes later would fail at once, not
 * after `busyTimeoutMs`, where a second coordinator has written in between (SQLITE_BUSY_SNAPSHOT).
 */
function writingAtOnce(file: Database.Database): SqliteDatabase {
  return {
    prepare: keepStatements(
      (sql) => file.prepare(sql === 'begin' ? 'begin immediate' : sql) as never,
    ),
    close: () => void file.close(),
  };
}

/** Kysely prepares a statement each time that it is run, which costs as much as running it. */
function keepStatements(
  prepare: (sql: string) => SqliteStatement,
): (sql: string) => SqliteStatement {
  const kept = new Map<string, SqliteStatement>();
  return (sql) => {
    const known = kept.get(sql);
    if (known !== undefined) return known;
    const statement = prepare(sql);
    if (sql.length <= statementCharsMax && kept.size < statementsKeptMax) kept.set(sql, statement);
    return statement;
  };
}
