// The ConversationStore over SQLite, in the agent's own database.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { ConversationStore, KeptTurn, Turn } from '../retrieve/conversation-store.ts';
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
): ConversationStore {
  const insert = database.prepare(
    'INSERT INTO conversation_turn (reader, conversation, at_ms, bytes, record) VALUES (?, ?, ?, ?, ?)',
  );
  const newest = database.prepare<[string, string, number, number], Row>(
    `SELECT id, record FROM conversation_turn
     WHERE reader = ? AND conversation = ? AND at_ms > ? ORDER BY id DESC LIMIT ?`,
  );
  const summaries = database.prepare<[string, number, number], SummaryRow>(
    `SELECT conversation AS id, min(at_ms) AS firstMs, max(at_ms) AS lastMs, count(*) AS turns
     FROM conversation_turn WHERE reader = ? AND at_ms > ?
     GROUP BY conversation ORDER BY max(id) DESC LIMIT ?`,
  );
  const expire = database.prepare('DELETE FROM conversation_turn WHERE at_ms <= ?');
  const cutTurns = database.prepare(
    `DELETE FROM conversation_turn WHERE id <= (SELECT id FROM conversation_turn
       WHERE reader = ? AND conversation = ? ORDER BY id DESC LIMIT 1 OFFSET ?)
     AND reader = ? AND conversation = ?`,
  );
  // All but the newest that fit together.
  const cutBytes = database.prepare(
    `DELETE FROM conversation_turn WHERE id <= (SELECT id FROM
       (SELECT id, sum(bytes) OVER (ORDER BY id DESC) AS newer FROM conversation_turn)
     WHERE newer > ? ORDER BY id DESC LIMIT 1)`,
  );
  const all = database.prepare<[], Row>('SELECT id, record FROM conversation_turn');
  const removeTurn = database.prepare('DELETE FROM conversation_turn WHERE id = ?');
  const remove = database.prepare(
    'DELETE FROM conversation_turn WHERE reader = ? AND conversation = ?',
  );
  const sinceMs = (): number => nowMs() - conversationRetentionMs;
  const withoutLog = <T>(value: T): Result<T> =>
    truncateLog(database)
      ? ok(value)
      : err(failure('storage_failed', 'somebody reads the device’s store, and keeps its log'));

  expire.run(sinceMs());
  return {
    turns: ({ reader, id }, turnsMax) =>
      newest.all(reader, id, sinceMs(), turnsMax).map(keptOf).reverse(),
    append({ reader, id }, turn) {
      const record = JSON.stringify(turn);
      const bytes = Buffer.byteLength(record);
      return inTransaction(database, () => {
        insert.run(reader, id, turn.atMs, bytes, record);
        expire.run(sinceMs());
        cutTurns.run(reader, id, conversationTurnsMax, reader, id);
        cutBytes.run(conversationBytesMax);
        return ok(undefined);
      });
    },
    list: (reader) => summaries.all(reader, sinceMs(), conversationsMax),
    remove: ({ reader, id }) => withoutLog(remove.run(reader, id).changes > 0),
    forget(document) {
      const quoting = all.all().filter((row) => quotes(turnOf(row), document));
      for (const { id } of quoting) removeTurn.run(id);
      return withoutLog(quoting.length);
    },
  };
}

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
