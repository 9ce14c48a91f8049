// The RoundStore in the device's database, beside the outbox.

import { assert, ok } from '@skerry/shared';
import { decodeDownBody, encodeBody } from '@skerry/sync-protocol';
import {
  type HeldTask,
  openedRunsMax,
  type RoundStore,
  runsMax,
  taskKey,
} from '../learn/round-store.ts';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';

interface Row {
  readonly run: string;
  readonly round: number;
  readonly attempt: number;
  readonly task: string;
  readonly body: Uint8Array | null;
  readonly received_ms: number;
  readonly tries: number;
  readonly model: string | null;
  readonly outcome: string | null;
}

export function createSqliteRoundStore(database: SqliteDatabase): RoundStore {
  const sql = statements(database);

  const forgetRun = (run: string): void => {
    sql.forgetState.run(run);
    sql.forgetRun.run(run);
  };

  const heldOf = ({ run, body, received_ms: receivedMs, tries }: Row): HeldTask | undefined => {
    const decoded = decodeDownBody(body ?? new Uint8Array());
    if (decoded.ok && decoded.value.kind === 'learn-task')
      return { task: decoded.value, receivedMs, tries };
    // Damaged: it would hold up those behind it for ever.
    sql.close.run('unreadable', run);
    return undefined;
  };

  return {
    receive(task, nowMs) {
      const { run, round, attempt, work } = task;
      if (work.type === 'end') {
        if (work.goesOn) sql.close.run(`too late: ${work.reason}`, run);
        else forgetRun(run);
        return;
      }
      const key = taskKey(task);
      if (sql.get.get(run)?.task === key) return;
      const body = encodeBody(task);
      assert(body.ok, 'what a message brought can be encoded');
      sql.receive.run({ run, round, attempt, task: key, body: body.value, nowMs });
      for (const older of sql.beyond.all(runsMax)) forgetRun(older);
    },
    held: () => sql.held.all().flatMap((row) => heldOf(row) ?? []),
    isHeld(task) {
      const row = sql.get.get(task.run);
      return row?.task === taskKey(task) && row.body !== null;
    },
    begin: (task, model) =>
      inTransaction(database, () => ok(sql.begin.get(model ?? null, task.run) ?? 0)),
    state({ run, round, work }) {
      const below = work.type === 'train' ? round : round + 1;
      return new Map(
        sql.state.all(run, below).map(({ slot, data }) => [slot, new Uint8Array(data)]),
      );
    },
    answered(task, { state, outcome, spent, opens }) {
      const { run, round } = task;
      for (const [slot, data] of state) {
        sql.put.run(run, slot, round, data);
        // What the round began from stays, for another attempt at it.
        sql.trim.run({ run, slot, round });
      }
      if (opens) {
        sql.open.run(run, round, round);
        sql.trimOpened.run(openedRunsMax);
      }
      if (spent !== undefined) sql.spend.run(spent.model, spent.rho);
      if (sql.get.get(run)?.task === taskKey(task)) sql.close.run(outcome, run);
    },
    spent: (model) => sql.spent.get(model) ?? 0,
    lastOpened: (run) => sql.lastOpened.get(run) ?? -1,
    forget: (which) =>
      inTransaction(database, () => {
        const runs = 'run' in which ? [which.run] : sql.runsOf.all(which.model);
        for (const run of runs) forgetRun(run);
        return ok(undefined);
      }),
    runs: () =>
      sql.all.all().map(({ run, model, round, attempt, body, outcome, received_ms: atMs }) => ({
        run,
        model: model ?? undefined,
        round,
        attempt,
        isOpen: body !== null,
        outcome: outcome ?? undefined,
        atMs,
      })),
  };
}

function statements(database: SqliteDatabase) {
  return {
    get: database.prepare<[string], Row>('SELECT * FROM learn_run WHERE run = ?'),
    all: database.prepare<[], Row>('SELECT * FROM learn_run ORDER BY received_ms DESC'),
    held: database.prepare<[], Row>(
      'SELECT * FROM learn_run WHERE body IS NOT NULL ORDER BY received_ms',
    ),
    receive: database.prepare(
      `INSERT INTO learn_run (run, round, attempt, task, body, received_ms, tries)
       VALUES (@run, @round, @attempt, @task, @body, @nowMs, 0)
       ON CONFLICT (run) DO UPDATE SET round = excluded.round, attempt = excluded.attempt,
         task = excluded.task, body = excluded.body, received_ms = excluded.received_ms, tries = 0`,
    ),
    beyond: database
      .prepare<[number], string>(
        'SELECT run FROM learn_run ORDER BY received_ms DESC, rowid DESC LIMIT -1 OFFSET ?',
      )
      .pluck(),
    begin: database
      .prepare<[string | null, string], number>(
        `UPDATE learn_run SET tries = tries + 1, model = coalesce(?, model) WHERE run = ?
         RETURNING tries`,
      )
      .pluck(),
    close: database.prepare<[string, string]>(
      'UPDATE learn_run SET body = NULL, outcome = ? WHERE run = ?',
    ),
    forgetRun: database.prepare<[string]>('DELETE FROM learn_run WHERE run = ?'),
    forgetState: database.prepare<[string]>('DELETE FROM learn_state WHERE run = ?'),
    runsOf: database.prepare<[string], string>('SELECT run FROM learn_run WHERE model = ?').pluck(),
    state: database.prepare<[string, number], { slot: string; data: Uint8Array }>(
      `SELECT slot, data, max(round) FROM learn_state WHERE run = ? AND round < ? GROUP BY slot`,
    ),
    put: database.prepare<[string, string, number, Uint8Array]>(
      'INSERT OR REPLACE INTO learn_state (run, slot, round, data) VALUES (?, ?, ?, ?)',
    ),
    spent: database
      .prepare<[string], number>('SELECT rho FROM learn_spent WHERE model = ?')
      .pluck(),
    lastOpened: database
      .prepare<[string], number>('SELECT round FROM learn_opened WHERE run = ?')
      .pluck(),
    open: database.prepare<[string, number, number]>(
      `INSERT INTO learn_opened (run, round) VALUES (?, ?)
       ON CONFLICT (run) DO UPDATE SET round = max(round, ?)`,
    ),
    trimOpened: database.prepare<[number]>(
      `DELETE FROM learn_opened WHERE rowid <=
         (SELECT rowid FROM learn_opened ORDER BY rowid DESC LIMIT 1 OFFSET ?)`,
    ),
    spend: database.prepare<[string, number]>(
      'INSERT OR REPLACE INTO learn_spent (model, rho) VALUES (?, ?)',
    ),
    trim: database.prepare(
      `DELETE FROM learn_state WHERE run = @run AND slot = @slot AND (round > @round OR round <
         (SELECT max(round) FROM learn_state WHERE run = @run AND slot = @slot AND round < @round))`,
    ),
  };
}
