// The EscalationStore over SQLite.

import type { Answer } from '@skerry/sync-protocol';
import type {
  Delivery,
  EscalationRecord,
  EscalationStore,
  LocalAnswer,
} from '../infer/escalation-store.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

interface Row {
  readonly request_id: string;
  readonly client_id: string | null;
  readonly model: string;
  readonly version: string;
  readonly appended_ms: number;
  readonly local: string;
  readonly delivery: Delivery;
  readonly answer: string | null;
  readonly settled: number | null;
}

export interface EscalationBounds {
  /** Answered ones that are kept; the oldest go first. */
  readonly answersMax: number;
  /** Those still open may be as many as the outbox holds, and as many again that the coordinator has. */
  readonly outboxOpsMax: number;
}

export function createSqliteEscalationStore(
  database: SqliteDatabase,
  { answersMax, outboxOpsMax }: EscalationBounds,
): EscalationStore {
  const insert = database.prepare(
    `INSERT INTO escalations (request_id, client_id, model, version, appended_ms, local, delivery)
     VALUES (?, ?, ?, ?, ?, ?, 'open')`,
  );
  const settle = database.prepare(
    'UPDATE escalations SET delivery = ?, answer = ?, settled = ? WHERE request_id = ?',
  );
  const isOpen = database
    .prepare<[string], 1>(`SELECT 1 FROM escalations WHERE request_id = ? AND delivery = 'open'`)
    .pluck();
  const lastSettled = database.prepare<[], number>('SELECT last_settled FROM identity').pluck();
  const nextSettled = database
    .prepare<[], number>(
      'UPDATE identity SET last_settled = last_settled + 1 RETURNING last_settled',
    )
    .pluck();
  const pruneSettled = database.prepare('DELETE FROM escalations WHERE settled <= ?');
  // rowids rise with each insert.
  const pruneOpen = database.prepare(
    `DELETE FROM escalations WHERE rowid <= ? AND delivery = 'open'`,
  );
  const remove = database.prepare<[string]>('DELETE FROM escalations WHERE request_id = ?');
  const byRequest = database.prepare<[string], Row>(
    'SELECT * FROM escalations WHERE request_id = ?',
  );
  const byClient = database.prepare<[string], Row>(
    'SELECT * FROM escalations WHERE client_id = ? ORDER BY appended_ms DESC LIMIT 1',
  );
  const late = database.prepare<[number, number], Row>(
    `SELECT * FROM escalations WHERE settled > ? AND delivery = 'late' ORDER BY settled LIMIT ?`,
  );
  return {
    open({ requestId, clientId, model, version, appendedMs, local }) {
      const { lastInsertRowid } = insert.run(
        requestId,
        clientId ?? null,
        model,
        version,
        appendedMs,
        JSON.stringify(local),
      );
      pruneOpen.run(Number(lastInsertRowid) - answersMax - 2 * outboxOpsMax);
    },
    settle({ requestId, outcome }: Answer, delivery) {
      if (isOpen.get(requestId) !== 1) return false;
      const settled = nextSettled.get() ?? 0;
      settle.run(delivery, JSON.stringify(outcome), settled, requestId);
      pruneSettled.run(settled - answersMax);
      return true;
    },
    get(id) {
      const row = byRequest.get(id) ?? byClient.get(id);
      return row && recordOf(row);
    },
    lateAfter(after, recordsMax) {
      for (;;) {
        const rows = late.all(after, recordsMax);
        const records = rows.flatMap((row) => {
          const record = recordOf(row);
          if (record === undefined) remove.run(row.request_id); // It would stop those behind it.
          return record ?? [];
        });
        if (records.length === rows.length) return records;
      }
    },
    lastSettled: () => lastSettled.get() ?? 0,
  };
}

/** `undefined` where the row cannot be read. */
function recordOf(row: Row): EscalationRecord | undefined {
  const local = parse(row.local);
  const answer = row.answer === null ? null : parse(row.answer);
  if (local === undefined || answer === undefined) return undefined;
  return {
    requestId: row.request_id,
    ...(row.client_id === null ? {} : { clientId: row.client_id }),
    model: row.model,
    version: row.version,
    appendedMs: row.appended_ms,
    local: local as LocalAnswer,
    delivery: row.delivery,
    ...(answer === null ? {} : { answer: answer as Answer['outcome'] }),
    ...(row.settled === null ? {} : { settled: row.settled }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
