// The ConversationStore over SQLite, in the agent's own database.

import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type {
  ConversationKey,
  KeptTurn,
  Share,
  SharingConversationStore,
  Turn,
} from '../retrieve/conversation-store.ts';
import type { QuotedDocument } from '../retrieve/erase-document.ts';
import { inTransaction, type SqliteDatabase, truncateLog } from './sqlite-database.ts';

export interface ConversationBounds {
  readonly conversationTurnsMax: number;
  readonly conversationBytesMax: number;
  readonly conversationRetentionMs: number;
}

interface Row {
  readonly id: number;
  readonly record: string;
}
interface SharedRow extends Row {
  readonly reader: string;
  readonly conversation: string;
  readonly share: Share;
}
interface SummaryRow {
  readonly id: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly turns: number;
}

/** Shown of a reader. */
const conversationsMax = 1_000;

export function createSqliteConversationStore(
  database: SqliteDatabase,
  { conversationTurnsMax, conversationBytesMax, conversationRetentionMs }: ConversationBounds,
  nowMs: () => number,
): SharingConversationStore {
  const insert = database.prepare(
    `INSERT INTO conversation_turn (reader, conversation, at_ms, bytes, record, turn, share)
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (turn) DO NOTHING`,
  );
  const newest = database.prepare<[string, string, number, number], Row>(
    `SELECT id, record FROM conversation_turn
     WHERE reader = ? AND conversation = ? AND at_ms > ? ORDER BY at_ms DESC, id DESC LIMIT ?`,
  );
  const summaries = database.prepare<[string, number, number], SummaryRow>(
    `SELECT conversation AS id, min(at_ms) AS firstMs, max(at_ms) AS lastMs, count(*) AS turns
     FROM conversation_turn WHERE reader = ? AND at_ms > ?
     GROUP BY conversation ORDER BY max(at_ms) DESC, max(id) DESC LIMIT ?`,
  );
  const expire = database.prepare('DELETE FROM conversation_turn WHERE at_ms <= ?');
  const cutTurns = database.prepare(
    `DELETE FROM conversation_turn WHERE (at_ms, id) <= (SELECT at_ms, id FROM conversation_turn
       WHERE reader = ? AND conversation = ? ORDER BY at_ms DESC, id DESC LIMIT 1 OFFSET ?)
     AND reader = ? AND conversation = ?`,
  );
  // All but the newest that fit together.
  const cutBytes = database.prepare(
    `DELETE FROM conversation_turn WHERE (at_ms, id) <= (SELECT at_ms, id FROM
       (SELECT at_ms, id, sum(bytes) OVER (ORDER BY at_ms DESC, id DESC) AS newer FROM conversation_turn)
     WHERE newer > ? ORDER BY at_ms DESC, id DESC LIMIT 1)`,
  );
  const all = database.prepare<[], Row>('SELECT id, record FROM conversation_turn');
  const shared = database.prepare<[], SharedRow>(
    'SELECT id, record, reader, conversation, share FROM conversation_turn WHERE share IS NOT NULL',
  );
  const last = database
    .prepare<[string, string], number | null>(
      'SELECT max(at_ms) FROM conversation_turn WHERE reader = ? AND conversation = ?',
    )
    .pluck();
  const shares = database
    .prepare<[string, string], Share>(
      `SELECT DISTINCT share FROM conversation_turn
       WHERE reader = ? AND conversation = ? AND share IS NOT NULL`,
    )
    .pluck();
  const removeTurn = database.prepare('DELETE FROM conversation_turn WHERE id = ?');
  const remove = database.prepare(
    'DELETE FROM conversation_turn WHERE reader = ? AND conversation = ?',
  );
  const dropUntil = database.prepare(
    'DELETE FROM conversation_turn WHERE reader = ? AND conversation = ? AND at_ms <= ?',
  );
  const dropTurn = database.prepare(
    'DELETE FROM conversation_turn WHERE reader = ? AND conversation = ? AND turn = ?',
  );
  const remember = database.prepare(
    `INSERT INTO conversation_gone (thread, turn, until_ms, kept_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (thread, turn) DO UPDATE
     SET until_ms = max(until_ms, excluded.until_ms), kept_ms = excluded.kept_ms`,
  );
  const goneUntil = database
    .prepare<[string, string], number>(
      'SELECT until_ms FROM conversation_gone WHERE thread = ? AND turn = ?',
    )
    .pluck();
  const expireGone = database.prepare('DELETE FROM conversation_gone WHERE kept_ms <= ?');
  const sinceMs = (): number => nowMs() - conversationRetentionMs;
  const withoutLog = <T>(value: T): Result<T> =>
    truncateLog(database)
      ? ok(value)
      : err(failure('storage_failed', 'somebody reads the device’s store, and keeps its log'));
  const untilOf = (key: ConversationKey): number =>
    goneUntil.get(threadOf(key), whole) ?? Number.NEGATIVE_INFINITY;
  const put = ({ reader, id }: ConversationKey, turn: Turn, share: Share | null): void => {
    const record = JSON.stringify(turn);
    insert.run(reader, id, turn.atMs, Buffer.byteLength(record), record, turn.id, share);
  };
  const cut = ({ reader, id }: ConversationKey): void => {
    expire.run(sinceMs());
    expireGone.run(sinceMs());
    cutTurns.run(reader, id, conversationTurnsMax, reader, id);
    cutBytes.run(conversationBytesMax);
  };

  expire.run(sinceMs());
  return {
    turns: ({ reader, id }, turnsMax) =>
      newest.all(reader, id, sinceMs(), turnsMax).map(keptOf).reverse(),
    append(key, turn, share) {
      return inTransaction(database, () => {
        // Two devices' clocks differ, and what goes on from a turn stands behind it. [CON9]
        const before = Math.max(last.get(key.reader, key.id) ?? 0, untilOf(key));
        const kept = { ...turn, atMs: Math.max(turn.atMs, before + 1) };
        put(key, kept, share ?? null);
        cut(key);
        return ok(kept);
      });
    },
    merge(key, turns, share) {
      return inTransaction(database, () => {
        const thread = threadOf(key);
        for (const turn of turns)
          if (turn.atMs > untilOf(key) && goneUntil.get(thread, turn.id) === undefined)
            put(key, turn, share);
        cut(key);
        return ok(undefined);
      });
    },
    sharesOf: ({ reader, id }) => shares.all(reader, id),
    quoting: (document) =>
      shared.all().flatMap((row) => {
        const { reader, conversation: id, share } = row;
        const turn = turnOf(row);
        return quotes(turn, document) ? [{ key: { reader, id }, id: turn.id, share }] : [];
      }),
    drop(key, gone) {
      const { reader, id } = key;
      const thread = threadOf(key);
      if (gone.what === 'until') {
        remember.run(thread, whole, gone.atMs, nowMs());
        return dropUntil.run(reader, id, gone.atMs).changes;
      }
      let dropped = 0;
      for (const turn of gone.turns) {
        remember.run(thread, turn, 0, nowMs());
        dropped += dropTurn.run(reader, id, turn).changes;
      }
      return dropped;
    },
    flush: () => withoutLog(undefined),
    list: (reader) => summaries.all(reader, sinceMs(), conversationsMax),
    remove: ({ reader, id }) => withoutLog(remove.run(reader, id).changes > 0),
    forget(document) {
      const quoting = all.all().filter((row) => quotes(turnOf(row), document));
      for (const { id } of quoting) removeTurn.run(id);
      return withoutLog({ turns: quoting.length, shared: 0 });
    },
  };
}

/** In the place of a turn's id: the whole conversation, up to then. */
const whole = '';

/** Of what is gone no name stays. */
const threadOf = ({ reader, id }: ConversationKey): string =>
  sha256(new TextEncoder().encode(JSON.stringify([reader, id])));

const turnOf = ({ record }: Row): Turn => JSON.parse(record) as Turn;

const keptOf = (row: Row): KeptTurn => ({ ...turnOf(row), number: row.id });

const quotes = (
  { said, read = [], later }: Turn,
  { collection, uri, digests }: QuotedDocument,
): boolean =>
  [...said.citations, ...read].some((each) => each.collection === collection && each.uri === uri) ||
  (later?.documents ?? []).some(
    (each) => each.collection === collection && digests.includes(each.digest),
  );
