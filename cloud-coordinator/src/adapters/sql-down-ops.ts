// The ops that wait for a device, each at the next of its positions.

import { type DownBody, opBytes } from '@skerry/sync-protocol';
import type { Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** @param encoded what `encodeBody` gives of `body` */
export async function insertDown(
  tx: Transaction<Schema>,
  device: string,
  body: DownBody,
  encoded: Uint8Array,
  nowMs: number,
): Promise<number> {
  const position = await nextPosition(tx, device);
  await tx
    .insertInto('down_op')
    .values({ device, position, at_ms: nowMs, bytes: opBytes(body), body: encoded })
    .execute();
  return position;
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
