// Answers that are kept, in a file of their own beside the device's store: all of it can be had again, so one that cannot
// be read, or is another version's, is begun anew. What is deleted is overwritten at once.

import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { defined, err, failure, messageOf, ok, type Result } from '@skerry/shared';
import Database from 'better-sqlite3';
import type {
  AnswerEntry,
  AnswerFigures,
  AnswerStore,
  AskedCount,
  AskedCounts,
  CachedAnswer,
  CollectionState,
  EntryKind,
  JudgedHits,
  JudgedStore,
} from '../retrieve/cache/answer-store.ts';
import { truncateLog } from './sqlite-database.ts';

const schemaVersion = 1;
const schema = `
  CREATE TABLE entry (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('asked', 'pushed')),
    scope TEXT NOT NULL,
    form TEXT NOT NULL,
    asked TEXT NOT NULL,
    made_ms REAL NOT NULL,
    expires_ms REAL NOT NULL,
    bytes INTEGER NOT NULL,
    question TEXT NOT NULL,
    vector BLOB,
    answer TEXT NOT NULL
  );
  CREATE INDEX entry_by_form ON entry (scope, form, made_ms);
  CREATE INDEX entry_by_age ON entry (kind, made_ms, bytes);
  CREATE INDEX entry_by_expiry ON entry (expires_ms);
  CREATE INDEX entry_by_asked ON entry (asked);
  CREATE TABLE searched (key TEXT NOT NULL, collection TEXT NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (key, collection)) WITHOUT ROWID;
  CREATE INDEX searched_by_collection ON searched (collection, revision);
  CREATE TABLE rests (key TEXT NOT NULL, collection TEXT NOT NULL, uri TEXT NOT NULL, PRIMARY KEY (key, collection, uri)) WITHOUT ROWID;
  CREATE INDEX rests_by_document ON rests (collection, uri);
  CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN
    DELETE FROM searched WHERE key = OLD.key;
    DELETE FROM rests WHERE key = OLD.key;
  END;
  CREATE TABLE asked (digest TEXT PRIMARY KEY, count INTEGER NOT NULL, last_ms REAL NOT NULL) WITHOUT ROWID;
  CREATE INDEX asked_by_count ON asked (count, last_ms);
  CREATE TABLE judged (terms TEXT PRIMARY KEY, hits INTEGER NOT NULL, judged INTEGER NOT NULL, wrong INTEGER NOT NULL) WITHOUT ROWID;
`;

/** For others who have the file open; everybody waits meanwhile. */
const lockWaitMs = 200;
const alikeMax = 16;
/** Questions that are counted. */
const countedMax = 1_000;

export interface CacheBounds {
  /** Of each kind. */
  readonly entriesMax: number;
  readonly bytesMax: number;
}

export interface CacheFile {
  readonly answers: AnswerStore;
  readonly counts: AskedCounts;
  readonly judged: JudgedStore;
  close(): void;
}

/** `path` may be ':memory:'. Fails with `storage_failed` where there can be no such file at all. */
export function openCacheFile(path: string, bounds: CacheBounds): Result<CacheFile> {
  const opened = openOnce(path, bounds);
  if (opened.ok || path === ':memory:') return opened;
  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
  return openOnce(path, bounds);
}

function openOnce(path: string, bounds: CacheBounds): Result<CacheFile> {
  let database: Database.Database | undefined;
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    database = new Database(path, { timeout: lockWaitMs });
    database.pragma('journal_mode = WAL');
    // The last answers may be lost with the power: what is deleted is synced with the log that goes.
    database.pragma('synchronous = NORMAL');
    database.pragma('secure_delete = ON');
    const version = database.pragma('user_version', { simple: true }) as number;
    if (version === 0) {
      database.exec(schema);
      database.pragma(`user_version = ${schemaVersion}`);
    }
    if (version === 0 || version === schemaVersion) return ok(createCacheFile(database, bounds));
    database.close();
    return err(failure('storage_failed', `schema ${version}; this agent knows ${schemaVersion}`));
  } catch (thrown) {
    database?.close();
    return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
  }
}

function createCacheFile(database: Database.Database, bounds: CacheBounds): CacheFile {
  // What a purge before a crash has left in the log goes now.
  truncateLog(database);
  const attempt = <T>(action: () => T): Result<T> => {
    try {
      return ok(database.transaction(action).immediate());
    } catch (thrown) {
      if (!(thrown instanceof Database.SqliteError)) throw thrown;
      return err(failure('storage_failed', `${thrown.code}: ${thrown.message}`));
    }
  };
  return {
    answers: createAnswers(database, bounds, attempt),
    counts: createCounts(database, attempt),
    judged: createJudged(database, attempt),
    close: () => void database.close(),
  };
}

type Attempt = <T>(action: () => T) => Result<T>;

function createAnswers(
  database: Database.Database,
  { entriesMax, bytesMax }: CacheBounds,
  attempt: Attempt,
): AnswerStore {
  const sql = prepareAnswers(database);
  /** The log may hold words of entries, also of some that have gone. */
  let logged = false;

  const evict = (kind: EntryKind): void => {
    for (;;) {
      const { entries, bytes } = defined(sql.held.get(kind), 'a count');
      if (entries <= entriesMax && bytes <= bytesMax) return;
      sql.removeOldest.run(kind);
    }
  };

  /** Fails where somebody who reads the file keeps its log; may be tried again. */
  const forgetLog = (): Result<void> => {
    if (logged && !truncateLog(database))
      return err(failure('storage_failed', 'somebody reads the cache’s file, and keeps its log'));
    logged = false;
    return ok(undefined);
  };

  return {
    get: (key) =>
      attempt(() => {
        const row = sql.byKey.get(key);
        return row && entryOf(row, sql);
      }),
    alike: (scope, form) =>
      attempt(() => sql.alike.all(scope, form).map((row) => entryOf(row, sql))),
    put: (entry) =>
      attempt(() => {
        logged = true;
        sql.expire.run(entry.madeMs);
        sql.remove.run(entry.key);
        const answer = JSON.stringify(entry.answer);
        const vector = entry.vector && bytesOf(entry.vector);
        const { searched, rests, answer: _, ...rest } = entry;
        const bytes = answer.length + entry.question.length + (vector?.length ?? 0);
        sql.insert.run({ ...rest, answer, bytes, vector: vector ?? null });
        for (const { collection, revision } of searched)
          sql.insertSearched.run(entry.key, collection, revision);
        for (const { collection, uri } of rests) sql.insertRests.run(entry.key, collection, uri);
        evict(entry.kind);
      }),
    remove: (which) =>
      attempt(() => {
        logged = true;
        if ('key' in which) sql.remove.run(which.key);
        else sql.removePushed.run(which.pushed);
      }),
    purge({ collection, uri }) {
      const purged = attempt(() => {
        const of = { collection, uri: uri ?? null };
        const resting = sql.countResting.get(of) ?? 0;
        sql.removeResting.run(of);
        if (sql.removeOutdated.run(collection).changes + resting > 0) logged = true;
        return resting;
      });
      if (!purged.ok) return purged;
      const gone = forgetLog();
      return gone.ok ? purged : gone;
    },
    states: () => attempt(() => sql.states.all()),
    figures: () => attempt(() => defined(sql.figures.get(), 'counts')),
    clear() {
      const cleared = attempt(() => {
        logged = true;
        sql.clear.run();
      });
      return cleared.ok ? forgetLog() : cleared;
    },
  };
}

function createCounts(database: Database.Database, attempt: Attempt): AskedCounts {
  const again = database.prepare(
    'UPDATE asked SET count = count + 1, last_ms = @nowMs WHERE digest = @digest',
  );
  const size = database.prepare<[], number>('SELECT count(*) FROM asked').pluck();
  const rarest = database
    .prepare<[], number>(
      `DELETE FROM asked WHERE digest = (SELECT digest FROM asked ORDER BY count, last_ms LIMIT 1)
       RETURNING count`,
    )
    .pluck();
  const insert = database.prepare('INSERT INTO asked (digest, count, last_ms) VALUES (?, ?, ?)');
  const commonest = database.prepare<
    [number],
    { digest: string; count: number; question: string | null }
  >(
    `SELECT digest, count, (SELECT question FROM entry WHERE entry.asked = asked.digest LIMIT 1) AS question
     FROM asked ORDER BY count DESC, last_ms DESC LIMIT ?`,
  );
  return {
    add: (digest, nowMs) =>
      attempt(() => {
        if (again.run({ digest, nowMs }).changes > 0) return;
        // Space-Saving (Metwally et al., 2005): what is common is never lost, and no count is too low.
        const before = (size.get() ?? 0) < countedMax ? 0 : (rarest.get() ?? 0);
        insert.run(digest, before + 1, nowMs);
      }),
    commonest: (many) =>
      attempt(() =>
        commonest
          .all(many)
          .map(
            ({ question, ...rest }): AskedCount =>
              question === null ? rest : { ...rest, question },
          ),
      ),
  };
}

function createJudged(database: Database.Database, attempt: Attempt): JudgedStore {
  const read = database.prepare<[string], JudgedHits>(
    'SELECT hits, judged, wrong FROM judged WHERE terms = ?',
  );
  const add = database.prepare(
    `INSERT INTO judged (terms, hits, judged, wrong) VALUES (@terms, @hits, @judged, @wrong)
     ON CONFLICT (terms) DO UPDATE SET hits = hits + @hits, judged = judged + @judged, wrong = wrong + @wrong`,
  );
  return {
    read: (terms) => attempt(() => read.get(terms) ?? { hits: 0, judged: 0, wrong: 0 }),
    add: (terms, more) => attempt(() => void add.run({ terms, ...more })),
  };
}

interface Row {
  readonly key: string;
  readonly kind: EntryKind;
  readonly scope: string;
  readonly form: string;
  readonly asked: string;
  readonly madeMs: number;
  readonly expiresMs: number;
  readonly question: string;
  readonly vector: Buffer | null;
  readonly answer: string;
}

function entryOf(
  { vector, answer, ...rest }: Row,
  sql: ReturnType<typeof prepareAnswers>,
): AnswerEntry {
  return {
    ...rest,
    vector: vector === null ? undefined : floatsOf(vector),
    answer: JSON.parse(answer) as CachedAnswer,
    searched: sql.searchedBy.all(rest.key),
    rests: sql.restsOf.all(rest.key),
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Copies: SQLite's bytes need not be aligned. */
const floatsOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Float32Array =>
  new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));

function prepareAnswers(database: Database.Database) {
  const columns = `key, kind, scope, form, asked, made_ms AS madeMs, expires_ms AS expiresMs, question, vector, answer`;
  const resting =
    'SELECT key FROM rests WHERE collection = @collection AND (@uri IS NULL OR uri = @uri)';
  type Of = { readonly collection: string; readonly uri: string | null };
  return {
    byKey: database.prepare<[string], Row>(`SELECT ${columns} FROM entry WHERE key = ?`),
    alike: database.prepare<[string, string], Row>(
      `SELECT ${columns} FROM entry WHERE scope = ? AND form = ? ORDER BY made_ms DESC LIMIT ${alikeMax}`,
    ),
    searchedBy: database.prepare<[string], CollectionState>(
      'SELECT collection, revision FROM searched WHERE key = ?',
    ),
    restsOf: database.prepare<[string], { collection: string; uri: string }>(
      'SELECT collection, uri FROM rests WHERE key = ?',
    ),
    insert: database.prepare(
      `INSERT INTO entry (key, kind, scope, form, asked, made_ms, expires_ms, bytes, question, vector, answer)
       VALUES (@key, @kind, @scope, @form, @asked, @madeMs, @expiresMs, @bytes, @question, @vector, @answer)`,
    ),
    insertSearched: database.prepare(
      'INSERT INTO searched (key, collection, revision) VALUES (?, ?, ?)',
    ),
    insertRests: database.prepare(
      'INSERT OR IGNORE INTO rests (key, collection, uri) VALUES (?, ?, ?)',
    ),
    remove: database.prepare<[string]>('DELETE FROM entry WHERE key = ?'),
    removePushed: database.prepare<[string]>(
      `DELETE FROM entry WHERE scope = ? AND kind = 'pushed'`,
    ),
    expire: database.prepare<[number]>('DELETE FROM entry WHERE expires_ms <= ?'),
    held: database.prepare<[string], { entries: number; bytes: number }>(
      'SELECT count(*) AS entries, coalesce(sum(bytes), 0) AS bytes FROM entry WHERE kind = ?',
    ),
    removeOldest: database.prepare<[string]>(
      'DELETE FROM entry WHERE key = (SELECT key FROM entry WHERE kind = ? ORDER BY made_ms LIMIT 1)',
    ),
    countResting: database
      .prepare<[Of], number>(`SELECT count(DISTINCT key) FROM (${resting})`)
      .pluck(),
    removeResting: database.prepare<[Of]>(`DELETE FROM entry WHERE key IN (${resting})`),
    removeOutdated: database.prepare<[string]>(
      'DELETE FROM entry WHERE key IN (SELECT key FROM searched WHERE collection = ?)',
    ),
    states: database.prepare<[], CollectionState>(
      'SELECT DISTINCT collection, revision FROM searched',
    ),
    figures: database.prepare<[], AnswerFigures>(
      `SELECT coalesce(sum(kind = 'asked'), 0) AS asked, coalesce(sum(kind = 'pushed'), 0) AS pushed,
        coalesce(sum(bytes), 0) AS bytes FROM entry`,
    ),
    clear: database.prepare('DELETE FROM entry'),
  };
}
