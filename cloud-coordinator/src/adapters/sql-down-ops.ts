// The ops that wait for a device, each at the next of its positions.

import { assert } from '@skerry/shared';
import { type DownBody, encodeBody, opBytes, placeholder } from '@skerry/sync-protocol';
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

/** What is not to be said any more leaves its place to nothing, for positions have no gap. Applied already: no matter. */
export async function emptyDown(
  tx: Transaction<Schema>,
  device: string,
  position: number,
): Promise<void> {
  const encoded = encodeBody(placeholder);
  assert(encoded.ok, 'the placeholder can be sent');
  await tx
    .updateTable('down_op')
    .set({ body: encoded.value, bytes: opBytes(placeholder) })
    .where('device', '=', device)
    .where('position', '=', position)
    .execute();
}
