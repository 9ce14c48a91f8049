// Updates in the device's database: the models' records beside the outbox, so that a transition and its report are one
// transaction.

import { err, ok, type Result } from '@skerry/shared';
import { type DeviceStore, decodeUpBody, encodeBody } from '@skerry/sync-protocol';
import type { UpdateReport } from '@skerry/sync-protocol/update';
import type { AssignmentInbox, KeptUpdates, UpdateStore } from '../update/update-ports.ts';
import { readHealth, readReading, readUpdateRecord } from './read-update-record.ts';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';

/** Reports that wait for room in the outbox; of more the oldest go. */
const owedMax = 64;

interface DeviceRow {
  readonly counter: number;
  readonly reading: string | null;
  readonly health: string;
}

export function createSqliteUpdateStore(
  database: SqliteDatabase,
  outbox: Pick<DeviceStore, 'append'>,
  nowMs: () => number,
): UpdateStore {
  const device = database.prepare<[], DeviceRow>('SELECT * FROM update_device');
  const keep = database.prepare<[number, string]>(
    `INSERT INTO update_device (id, counter, reading) VALUES (1, ?, ?)
     ON CONFLICT (id) DO UPDATE SET counter = excluded.counter, reading = excluded.reading`,
  );
  const keepHealth = database.prepare<[string]>('UPDATE update_device SET health = ?');
  const load = database
    .prepare<[string], string>('SELECT record FROM update_model WHERE model = ?')
    .pluck();
  const save = database.prepare<[string, string]>(
    `INSERT INTO update_model (model, record) VALUES (?, ?)
     ON CONFLICT (model) DO UPDATE SET record = excluded.record`,
  );
  const starts = database
    .prepare<[string, number], number>(
      `INSERT INTO update_start (model, starts) VALUES (?, 1)
       ON CONFLICT (model) DO UPDATE SET starts = CASE WHEN ? = 0 THEN 0 ELSE starts + 1 END
       RETURNING starts`,
    )
    .pluck();
  const owed = database.prepare<[], { readonly id: number; readonly body: Uint8Array }>(
    'SELECT * FROM update_owed ORDER BY id',
  );
  const owe = database.prepare<[Uint8Array]>('INSERT INTO update_owed (body) VALUES (?)');
  const trimOwed = database.prepare<[number]>(
    `DELETE FROM update_owed WHERE id <=
       (SELECT id FROM update_owed ORDER BY id DESC LIMIT 1 OFFSET ?)`,
  );
  const pay = database.prepare<[number]>('DELETE FROM update_owed WHERE id = ?');

  /** Where the outbox has no room, the report is owed. */
  const append = (report: UpdateReport, effect: () => void): Result<void> => {
    const hasOwed = owed.all().length > 0;
    const appended = hasOwed ? undefined : outbox.append(report, nowMs(), effect);
    if (appended?.ok) return ok(undefined);
    // In turn: what is owed goes first.
    if (appended !== undefined && appended.error.code !== 'overloaded') return appended;
    const encoded = encodeBody(report);
    if (!encoded.ok) return encoded;
    return inTransaction(database, () => {
      owe.run(encoded.value);
      trimOwed.run(owedMax);
      effect();
      return ok(undefined);
    });
  };

  return {
    kept(): KeptUpdates {
      const row = device.get();
      return {
        counter: row?.counter ?? 0,
        reading: readReading(row?.reading),
        health: readHealth(row?.health),
      };
    },
    load(model) {
      return readUpdateRecord(load.get(model));
    },
    save(model, update, report) {
      const write = (): void => void save.run(model, JSON.stringify(update));
      if (report !== undefined) return append(report, write);
      return inTransaction(database, () => ok(write()));
    },
    report: (report) => append(report, () => undefined),
    sendOwed() {
      for (const { id, body } of owed.all()) {
        const report = decodeUpBody(body);
        // Damaged: it would hold up those behind it for ever.
        if (!report.ok) {
          pay.run(id);
          continue;
        }
        const appended = outbox.append(report.value, nowMs(), () => void pay.run(id));
        if (!appended.ok)
          return appended.error.code === 'overloaded' ? ok(undefined) : err(appended.error);
      }
      return ok(undefined);
    },
    countStart: (model, counted) =>
      inTransaction(database, () => ok(starts.get(model, counted === 'none' ? 0 : 1) ?? 0)),
    keep: (counter, reading, health) =>
      inTransaction(database, () => {
        keep.run(counter, JSON.stringify(reading));
        if (health !== undefined) keepHealth.run(JSON.stringify(health));
        return ok(undefined);
      }),
  };
}

export function createSqliteAssignmentInbox(database: SqliteDatabase): AssignmentInbox {
  const put = database.prepare<[Uint8Array]>(
    'INSERT OR REPLACE INTO update_inbox (id, envelope) VALUES (1, ?)',
  );
  const get = database.prepare<[], Uint8Array>('SELECT envelope FROM update_inbox').pluck();
  const remove = database.prepare<[Uint8Array]>('DELETE FROM update_inbox WHERE envelope = ?');
  return {
    put: (envelope) => void put.run(envelope),
    get: () => get.get(),
    remove: (envelope) => inTransaction(database, () => ok(void remove.run(envelope))),
  };
}
