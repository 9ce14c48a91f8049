// DeviceTable in SQL.

import { ok } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import { deviceStatusSchema } from '@skerry/sync-protocol';
import type { Kysely, Transaction } from 'kysely';
import type { DeviceRecord, DeviceTable } from '../fleet/device-registry.ts';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';

/** A statement stops SQLite's caller until it is done: this many rows take it some milliseconds. */
const rowsPerStatementMax = 200;

export function createSqlDeviceTable(
  db: Kysely<Schema>,
  commits: GroupCommit = createGroupCommit(db),
): DeviceTable {
  return {
    async load(devicesMax) {
      const rows = await attempt(() =>
        db
          .selectFrom('device')
          .selectAll()
          .orderBy('last_seen_ms', 'desc')
          .limit(devicesMax)
          .execute(),
      );
      if (!rows.ok) return rows;
      return ok(
        rows.value.map((row) => ({
          device: row.device,
          epoch: row.epoch,
          firstSeenMs: row.first_seen_ms,
          lastSeenMs: row.last_seen_ms,
          status: readStatus(row.status),
        })),
      );
    },

    async save(records) {
      for (let at = 0; at < records.length; at += rowsPerStatementMax) {
        const slice = records.slice(at, at + rowsPerStatementMax);
        const saved = await commits.run((tx) => saveRows(tx, slice));
        if (!saved.ok) return saved;
      }
      return ok(undefined);
    },
  };
}

async function saveRows(tx: Transaction<Schema>, records: readonly DeviceRecord[]): Promise<void> {
  const rows = records.map((record) => ({
    device: record.device,
    epoch: record.epoch,
    first_seen_ms: record.firstSeenMs,
    last_seen_ms: record.lastSeenMs,
    status: record.status === undefined ? null : JSON.stringify(record.status),
  }));
  await tx
    .insertInto('device')
    .values(rows)
    .onConflict((c) =>
      c.column('device').doUpdateSet((e) => ({
        epoch: e.ref('excluded.epoch'),
        last_seen_ms: e.ref('excluded.last_seen_ms'),
        status: e.ref('excluded.status'),
      })),
    )
    .execute();
}

/** One that cannot be read, or is another version's of this program, is dropped: the device's next one replaces it. */
function readStatus(text: string | null) {
  if (text === null) return undefined;
  try {
    return deviceStatusSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
