// Ops that wait for their blob, in a table of their own in the device's database.

import { err, failure, ok } from '@skerry/shared';
import { decodeUpBody, encodeBody } from '@skerry/sync-protocol';
import type { HeldOps } from '../sync/upload-first.ts';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';
import { createOpQuarantine } from './sqlite-op-quarantine.ts';

interface Row {
  readonly id: number;
  readonly at_ms: number;
  readonly digest: string;
  readonly bytes: number;
  readonly body: Uint8Array;
}

export function createSqliteHeldOps(database: SqliteDatabase, heldOpsMax: number): HeldOps {
  database.exec(`CREATE TABLE IF NOT EXISTS held_op (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms REAL NOT NULL,
    digest TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
  )`);
  const count = database.prepare<[], number>('SELECT count(*) FROM held_op').pluck();
  const insert = database.prepare<[number, string, number, Uint8Array]>(
    'INSERT INTO held_op (at_ms, digest, bytes, body) VALUES (?, ?, ?, ?)',
  );
  const all = database.prepare<[], Row>('SELECT * FROM held_op ORDER BY id');
  const remove = database.prepare<[number]>('DELETE FROM held_op WHERE id = ?');
  const quarantine = createOpQuarantine(database);
  return {
    hold(op, effect) {
      const { body, blob, atMs } = op;
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      if ((count.get() ?? 0) >= heldOpsMax)
        return err(failure('overloaded', `${heldOpsMax} ops wait for their blobs`));
      return inTransaction(database, () => {
        const { lastInsertRowid } = insert.run(atMs, blob.digest, blob.bytes, encoded.value);
        effect?.();
        return ok({ id: Number(lastInsertRowid), ...op });
      });
    },
    list: () =>
      all.all().flatMap((row) => {
        const body = decodeUpBody(row.body);
        const blob = { digest: row.digest, bytes: row.bytes };
        if (body.ok) return { id: row.id, atMs: row.at_ms, blob, body: body.value };
        // [QUA5] Where the disk takes no more it stays, and is passed over.
        inTransaction(database, () => {
          remove.run(row.id);
          return ok(quarantine({ kind: 'held', reason: body.error.message, body: row.body }));
        });
        return [];
      }),
    release: (id) => void remove.run(id),
  };
}
