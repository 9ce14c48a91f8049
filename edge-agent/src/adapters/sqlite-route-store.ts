// What routing remembers over a restart, in the device's database: how full the budgets are, and what was learned.

import type { BudgetName, BudgetStore } from '../route/budgets.ts';
import type { Learned, LearnedStore } from '../route/look-alikes.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

interface LearnedRow {
  readonly request_id: string;
  readonly variant: string;
  readonly embedding: Uint8Array;
  readonly answer: string;
  readonly learned_ms: number;
  readonly expires_ms: number;
}

export interface RouteStore {
  readonly budgets: BudgetStore;
  readonly learned: LearnedStore;
}

export function createSqliteRouteStore(database: SqliteDatabase): RouteStore {
  return { budgets: budgetStore(database), learned: learnedStore(database) };
}

function budgetStore(database: SqliteDatabase): BudgetStore {
  const load = database.prepare<[], { name: BudgetName; tokens: number; at_ms: number }>(
    'SELECT * FROM budget',
  );
  const save = database.prepare<[BudgetName, number, number]>(
    'INSERT OR REPLACE INTO budget (name, tokens, at_ms) VALUES (?, ?, ?)',
  );
  return {
    load: () =>
      new Map(load.all().map(({ name, tokens, at_ms }) => [name, { tokens, atMs: at_ms }])),
    save: (name, { tokens, atMs }) => void save.run(name, tokens, atMs),
  };
}

function learnedStore(database: SqliteDatabase): LearnedStore {
  const load = database.prepare<[], LearnedRow>('SELECT * FROM learned ORDER BY learned_ms');
  const put = database.prepare(
    `INSERT OR REPLACE INTO learned (request_id, variant, embedding, answer, learned_ms, expires_ms)
     VALUES (?, ?, ?, ?, ?, ?)`,
  );
  const remove = database.prepare<[string]>('DELETE FROM learned WHERE request_id = ?');
  return {
    load: () =>
      load.all().flatMap((row) => {
        const learned = learnedOf(row);
        if (learned === undefined) remove.run(row.request_id); // It is learned again.
        return learned ?? [];
      }),
    put({ requestId, variant, embedding, answer, learnedMs, expiresMs }) {
      const bytes = new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength);
      put.run(requestId, variant, bytes, JSON.stringify(answer), learnedMs, expiresMs);
    },
    remove: (requestId) => void remove.run(requestId),
  };
}

/** `undefined` where the row cannot be read. */
function learnedOf(row: LearnedRow): Learned | undefined {
  const { request_id: requestId, variant, embedding, learned_ms, expires_ms } = row;
  try {
    return {
      requestId,
      variant,
      embedding: new Float32Array(Uint8Array.from(embedding).buffer),
      answer: JSON.parse(row.answer),
      learnedMs: learned_ms,
      expiresMs: expires_ms,
    };
  } catch {
    return undefined;
  }
}
