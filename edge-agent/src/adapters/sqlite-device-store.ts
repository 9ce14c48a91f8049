// The DeviceStore over SQLite: outbox, cursor and identity.

import { assert, defined, err, failure, ok, type Result } from '@skerry/shared';
import {
  type DeviceStore,
  decodeUpBody,
  encodeBody,
  opBytes,
  type UpOp,
} from '@skerry/sync-protocol';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';

export interface OutboxBounds {
  readonly outboxOpsMax: number;
  readonly outboxBytesMax: number;
}

interface IdentityRow {
  readonly device: string;
  readonly epoch: string;
  readonly cursor: number;
}

interface OutboxRow {
  readonly seq: number;
  readonly at_ms: number;
  readonly bytes: number;
  readonly body: Uint8Array;
}

/** `newEpoch` names this incarnation, when the database is new. Fails where it is another device's. */
export function createSqliteDeviceStore(
  database: SqliteDatabase,
  device: string,
  newEpoch: () => string,
  bounds: OutboxBounds,
): Result<DeviceStore> {
  const sql = statements(database);
  const identity = sql.identity.get() ?? enrol(sql, device, newEpoch());
  if (identity.device !== device)
    return err(
      failure('invalid_config', `this store is device '${identity.device}', not '${device}'`),
    );
  const { epoch } = identity;
  // Kept in memory, for a count over a long outbox is slow; changed only after a commit.
  let cursor = identity.cursor;
  let depth = defined(sql.depth.get(Number.MAX_SAFE_INTEGER), 'outbox depth');
  return ok({
    position: () => ({ device, epoch, cursor, ...depth }),

    append(body, atMs, effect) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      const after = { ops: depth.ops + 1, bytes: depth.bytes + opBytes(body) };
      if (after.ops > bounds.outboxOpsMax || after.bytes > bounds.outboxBytesMax)
        return err(failure('overloaded', `the outbox holds ${depth.ops} ops`));
      const appended = inTransaction(database, () => {
        const seq = defined(sql.nextSeq.get(), 'next seq');
        sql.append.run(seq, atMs, opBytes(body), encoded.value);
        effect?.();
        return ok(seq);
      });
      if (appended.ok) depth = after;
      return appended;
    },

    unacknowledged(opsMax, bytesMax) {
      const ops: UpOp[] = [];
      let bytes = 0;
      for (const row of sql.oldest.iterate(opsMax)) {
        bytes += row.bytes;
        if (ops.length > 0 && bytes > bytesMax) break;
        const body = decodeUpBody(row.body);
        assert(body.ok, `outbox op ${row.seq} is what encodeBody wrote`);
        ops.push({ seq: row.seq, atMs: row.at_ms, body: body.value });
      }
      return ops;
    },

    apply(reply, effect) {
      if (reply.epoch !== epoch) return ok([]);
      const fresh = reply.ops.filter((op) => op.position > cursor);
      const moved = fresh.at(-1)?.position ?? cursor;
      const applied = inTransaction(database, () => {
        const forgotten = defined(sql.depth.get(reply.ack), 'acknowledged ops');
        sql.forget.run(reply.ack);
        for (const op of fresh) effect(op);
        if (moved > cursor) sql.advance.run(moved);
        return ok({ ops: depth.ops - forgotten.ops, bytes: depth.bytes - forgotten.bytes });
      });
      if (!applied.ok) return applied;
      depth = applied.value;
      cursor = moved;
      return ok(fresh);
    },
  });
}

function statements(database: SqliteDatabase) {
  return {
    identity: database.prepare<[], IdentityRow>('SELECT device, epoch, cursor FROM identity'),
    enrol: database.prepare<[string, string]>('INSERT INTO identity (device, epoch) VALUES (?, ?)'),
    nextSeq: database
      .prepare<[], number>('UPDATE identity SET last_seq = last_seq + 1 RETURNING last_seq')
      .pluck(),
    append: database.prepare<[number, number, number, Uint8Array]>(
      'INSERT INTO outbox (seq, at_ms, bytes, body) VALUES (?, ?, ?, ?)',
    ),
    oldest: database.prepare<[number], OutboxRow>('SELECT * FROM outbox ORDER BY seq LIMIT ?'),
    depth: database.prepare<[number], { ops: number; bytes: number }>(
      'SELECT count(*) AS ops, coalesce(sum(bytes), 0) AS bytes FROM outbox WHERE seq <= ?',
    ),
    forget: database.prepare<[number]>('DELETE FROM outbox WHERE seq <= ?'),
    advance: database.prepare<[number]>('UPDATE identity SET cursor = ?'),
  };
}

function enrol(sql: ReturnType<typeof statements>, device: string, epoch: string): IdentityRow {
  sql.enrol.run(device, epoch);
  return { device, epoch, cursor: 0 };
}
