// The QuestionStore over SQLite, in the agent's own database.

import { err, failure, ok } from '@skerry/shared';
import type { Said } from '@skerry/sync-protocol';
import type { QuestionRecord, QuestionStore } from '../retrieve/question-store.ts';
import { type SqliteDatabase, truncateLog } from './sqlite-database.ts';

interface Row {
  readonly request_id: string;
  readonly record: string;
  readonly outcome: string | null;
  readonly settled: number | null;
}

export interface QuestionBounds {
  /** Questions that are kept; the oldest go first. */
  readonly answersMax: number;
}

type Opened = Omit<QuestionRecord, 'delivery' | 'settled'>;

export function createSqliteQuestionStore(
  database: SqliteDatabase,
  { answersMax }: QuestionBounds,
): QuestionStore {
  const insert = database.prepare('INSERT INTO question (request_id, record) VALUES (?, ?)');
  // rowids rise with each insert.
  const prune = database.prepare('DELETE FROM question WHERE rowid <= ?');
  const keep = database.prepare(
    'UPDATE question SET outcome = ? WHERE request_id = ? AND outcome IS NULL AND settled IS NULL',
  );
  const unchecked = database.prepare<[], Row>(
    'SELECT * FROM question WHERE outcome IS NOT NULL ORDER BY rowid',
  );
  const byId = database.prepare<[string], Row>('SELECT * FROM question WHERE request_id = ?');
  const nextSettled = database
    .prepare<[], number>(
      'UPDATE identity SET last_settled = last_settled + 1 RETURNING last_settled',
    )
    .pluck();
  const settle = database.prepare(
    'UPDATE question SET record = ?, outcome = NULL, settled = ? WHERE request_id = ?',
  );
  const late = database.prepare<[number, number], Row>(
    'SELECT * FROM question WHERE settled > ? ORDER BY settled LIMIT ?',
  );
  const all = database.prepare<[], Row>('SELECT * FROM question');
  const remove = database.prepare('DELETE FROM question WHERE request_id = ?');

  return {
    open(record) {
      const { lastInsertRowid } = insert.run(record.requestId, JSON.stringify(record));
      prune.run(Number(lastInsertRowid) - answersMax);
    },
    keep: ({ requestId, outcome }) => keep.run(JSON.stringify(outcome), requestId).changes === 1,
    unchecked: () =>
      unchecked.all().map((row) => ({
        record: recordOf(row),
        outcome: JSON.parse(row.outcome as string) as Said['outcome'],
      })),
    settle(requestId, outcome) {
      const row = byId.get(requestId);
      if (row === undefined) return;
      const record = { ...(JSON.parse(row.record) as Opened), ...outcome };
      database.transaction(() =>
        settle.run(JSON.stringify(record), nextSettled.get() ?? 0, requestId),
      )();
    },
    get(requestId) {
      const row = byId.get(requestId);
      return row && recordOf(row);
    },
    lateAfter: (after, recordsMax) => late.all(after, recordsMax).map(recordOf),
    drop(requestIds) {
      for (const id of requestIds) remove.run(id);
    },
    forget({ collection, uri, digests }) {
      const quotes = ({ passages, said }: QuestionRecord): boolean =>
        passages.some((each) => each.collection === collection && digests.includes(each.digest)) ||
        (said?.citations ?? []).some((each) => each.collection === collection && each.uri === uri);
      const naming = all.all().map(recordOf).filter(quotes);
      for (const { requestId } of naming) remove.run(requestId);
      // What the log still held of them goes with the log; also of those whose call before failed here.
      if (!truncateLog(database))
        return err(
          failure('storage_failed', 'somebody reads the device’s store, and keeps its log'),
        );
      const open = naming.filter(({ delivery }) => delivery === 'open').length;
      return ok({ questions: naming.length, open });
    },
  };
}

const recordOf = (row: Row): QuestionRecord => ({
  ...(JSON.parse(row.record) as Opened),
  delivery: row.settled === null ? 'open' : 'late',
  ...(row.settled === null ? {} : { settled: row.settled }),
});
