// CoordinatorStore in SQL: what a device was promised to be durable, and what it has still to be told.
// Seen ops are remembered as one high-water mark an incarnation, for an Exchange always starts at the oldest op that
// is not acknowledged: whatever lies at or below the mark has been stored before.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  type Accepted,
  type CoordinatorStore,
  type DownOp,
  decodeDownBody,
  decodeUpBody,
  type Exchange,
  encodeBody,
  type OpenEscalation,
  opBytes,
  type UpOp,
} from '@skerry/sync-protocol';
import type { Kysely, Transaction } from 'kysely';
import { attempt } from './attempt.ts';
import { createGroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';

export function createSqlCoordinatorStore(db: Kysely<Schema>): CoordinatorStore {
  const commits = createGroupCommit(db);
  return {
    async accept(exchange) {
      const rows = escalationRows(exchange);
      if (!rows.ok) return rows;
      return commits.run(async (tx) => {
        await forgetApplied(tx, exchange.device, exchange.cursor);
        return acceptNew(tx, exchange, rows.value);
      });
    },

    async downOpsAfter(device, cursor, opsMax, bytesMax) {
      const rows = await attempt(() =>
        db
          .selectFrom('down_op')
          .select(['position', 'at_ms', 'bytes', 'body'])
          .where('device', '=', device)
          .where('position', '>', cursor)
          .orderBy('position')
          .limit(opsMax + 1)
          .execute(),
      );
      if (!rows.ok) return rows;
      const taken = rows.value.slice(0, countWithin(rows.value, opsMax, bytesMax));
      const ops = every(taken, ({ position, at_ms, body }): Result<DownOp> => {
        const decoded = decodeDownBody(body);
        return decoded.ok ? ok({ position, atMs: at_ms, body: decoded.value }) : decoded;
      });
      return ops.ok ? ok({ ops: ops.value, more: rows.value.length > taken.length }) : ops;
    },

    async appendDown(device, body, nowMs) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      return commits.run(async (tx) => {
        if (!(await closeEscalation(tx, device, body.requestId))) return undefined;
        const position = await nextPosition(tx, device);
        await tx
          .insertInto('down_op')
          .values({ device, position, at_ms: nowMs, bytes: opBytes(body), body: encoded.value })
          .execute();
        return position;
      });
    },

    async openEscalations(opsMax) {
      const rows = await attempt(() =>
        db
          .selectFrom('escalation')
          .select(['device', 'body'])
          .orderBy('id')
          .limit(opsMax)
          .execute(),
      );
      if (!rows.ok) return rows;
      return every(rows.value, ({ device, body }): Result<OpenEscalation> => {
        const decoded = decodeUpBody(body);
        return decoded.ok ? ok({ device, body: decoded.value }) : decoded;
      });
    },
  };
}

interface EscalationRow {
  readonly op: UpOp;
  readonly body: Uint8Array;
}

/** The Exchange's ops by rising seq, with their bodies as they are stored. */
function escalationRows(exchange: Exchange): Result<readonly EscalationRow[]> {
  const sorted = [...exchange.ops].sort((a, b) => a.seq - b.seq);
  return every(sorted, (op) => {
    const body = encodeBody(op.body);
    return body.ok ? ok({ op, body: body.value }) : body;
  });
}

async function acceptNew(
  tx: Transaction<Schema>,
  { device, epoch }: Exchange,
  rows: readonly EscalationRow[],
): Promise<Accepted> {
  const seen = await tx
    .selectFrom('incarnation')
    .select('ack')
    .where('device', '=', device)
    .where('epoch', '=', epoch)
    .executeTakeFirst();
  const fresh: UpOp[] = [];
  let ack = seen?.ack ?? 0;
  for (const { op, body } of rows) {
    if (op.seq <= ack) continue;
    ack = op.seq;
    fresh.push(op);
    // The same question asked again, by a device whose disk was restored, is already open: one answer is enough.
    await tx
      .insertInto('escalation')
      .values({ device, request_id: op.body.requestId, body })
      .onConflict((c) => c.columns(['device', 'request_id']).doNothing())
      .execute();
  }
  if (fresh.length > 0)
    await tx
      .insertInto('incarnation')
      .values({ device, epoch, ack })
      .onConflict((c) => c.columns(['device', 'epoch']).doUpdateSet({ ack }))
      .execute();
  return { fresh, ack };
}

/** Drops what the device has applied, and keeps its next position above its cursor. Writes nothing if nothing is new. */
async function forgetApplied(
  tx: Transaction<Schema>,
  device: string,
  cursor: number,
): Promise<void> {
  if (cursor === 0) return;
  await tx
    .deleteFrom('down_op')
    .where('device', '=', device)
    .where('position', '<=', cursor)
    .execute();
  // A cursor ahead of us means that our disk was restored: positions below it would never be read.
  await tx
    .insertInto('down_position')
    .values({ device, position: cursor })
    .onConflict((c) =>
      c
        .column('device')
        .doUpdateSet({ position: cursor })
        .where('down_position.position', '<', cursor),
    )
    .execute();
}

async function closeEscalation(
  tx: Transaction<Schema>,
  device: string,
  requestId: string,
): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('escalation')
    .where('device', '=', device)
    .where('request_id', '=', requestId)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

async function nextPosition(tx: Transaction<Schema>, device: string): Promise<number> {
  const row = await tx
    .insertInto('down_position')
    .values({ device, position: 1 })
    .onConflict((c) =>
      c.column('device').doUpdateSet((e) => ({ position: e('down_position.position', '+', 1) })),
    )
    .returning('position')
    .executeTakeFirstOrThrow();
  return row.position;
}

/** How many of the oldest rows fit both bounds; at least one if there is one. */
function countWithin(
  rows: readonly { readonly bytes: number }[],
  opsMax: number,
  bytesMax: number,
): number {
  let bytes = 0;
  let count = 0;
  for (const row of rows.slice(0, opsMax)) {
    bytes += row.bytes;
    if (count > 0 && bytes > bytesMax) break;
    count++;
  }
  return count;
}

/** All of them mapped, or the first failure, which for a stored row means that the disk is not to be trusted. */
function every<T, U>(items: readonly T[], map: (item: T) => Result<U>): Result<U[]> {
  const mapped: U[] = [];
  for (const item of items) {
    const one = map(item);
    if (!one.ok)
      return err(failure('storage_failed', `a row cannot be read: ${one.error.message}`));
    mapped.push(one.value);
  }
  return ok(mapped);
}
