// An Exchange becomes durable. Seen ops are remembered as one high-water mark for each epoch and lane, for an Exchange
// always starts at the oldest op that is not acknowledged: whatever lies at or below the mark has been stored before.

import { collect, ok, type Result } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import {
  type Accepted,
  type Ack,
  type Exchange,
  encodeBody,
  epochsOf,
  judge,
  markKey,
  type Sighting,
  type Suspicion,
  takeOps,
  type UpOp,
} from '@skerry/sync-protocol';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { builtOnce } from './built-once.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';

/**
 * Epochs of a device that are remembered: each boot is one. A disk that comes back after more of them, or an outbox
 * that spans more, could have an op accepted twice; an Exchange names 257 at most.
 */
const epochsKeptMax = 1_024;

export async function acceptExchange(
  db: Kysely<Schema>,
  commits: GroupCommit,
  exchange: Exchange,
  nowMs: number,
): Promise<Result<Accepted>> {
  const repeated = await attempt(() => acceptRepeated(db, exchange));
  if (!repeated.ok) return repeated;
  if (repeated.value !== undefined) return ok(repeated.value);
  const rows = opRows(exchange);
  if (!rows.ok) return rows;
  return commits.run(async (tx) => {
    await forgetApplied(tx, exchange.device, exchange.cursor);
    return acceptNew(tx, exchange, rows.value, nowMs);
  });
}

interface OpRow {
  readonly op: UpOp;
  readonly body: Uint8Array;
}

/** The Exchange's ops, with their bodies as they are stored. */
function opRows(exchange: Exchange): Result<readonly OpRow[]> {
  return collect(
    exchange.ops.map((op) => {
      const body = encodeBody(op.body);
      return body.ok ? ok({ op, body: body.value }) : body;
    }),
  );
}

/**
 * An Exchange without ops that says what its device's last one said: there is nothing to write, so it waits for no
 * flush. Most Exchanges are like this. The last one's transaction has forgotten what its cursor let go.
 */
async function acceptRepeated(
  db: Kysely<Schema>,
  exchange: Exchange,
): Promise<Accepted | undefined> {
  if (exchange.ops.length > 0) return undefined;
  const [last] = await sightingsOf(db, exchange.device);
  if (last?.epoch !== exchange.epoch) return undefined;
  const { sighting } = judge(sightingOf(last), exchange, true);
  if (tellsNews(sightingRow(exchange.device, sighting), last)) return undefined;
  const { fresh, acks, newEpoch } = takeOps(exchange, await marksOf(db, exchange));
  return { fresh, acks, newEpoch };
}

async function acceptNew(
  tx: Transaction<Schema>,
  exchange: Exchange,
  rows: readonly OpRow[],
  nowMs: number,
): Promise<Accepted> {
  const { device, epoch } = exchange;
  const isKnown = await hear(tx, device, epoch);
  const suspicion = await look(tx, exchange, isKnown);
  if (suspicion !== undefined) await suspect(tx, device, suspicion, nowMs);
  const { fresh, acks, raised, newEpoch } = takeOps(exchange, await marksOf(tx, exchange));
  const isFresh = new Set(fresh);
  for (const { op, body } of rows) if (isFresh.has(op)) await open(tx, device, op, body);
  for (const mark of raised)
    await tx
      .insertInto('mark')
      .values({ device, ...mark })
      .onConflict((c) => c.columns(['device', 'epoch', 'lane']).doUpdateSet({ seq: mark.seq }))
      .execute();
  return { fresh, acks, newEpoch, ...(suspicion === undefined ? {} : { suspicion }) };
}

/** Whether the epoch has been heard before. A new one is remembered, and the oldest of too many forgotten. */
async function hear(tx: Transaction<Schema>, device: string, epoch: string): Promise<boolean> {
  const known = await tx
    .selectFrom('incarnation')
    .select('id')
    .where('device', '=', device)
    .where('epoch', '=', epoch)
    .executeTakeFirst();
  if (known !== undefined) return true;
  await tx.insertInto('incarnation').values({ device, epoch }).execute();
  const excess = await tx
    .selectFrom('incarnation')
    .select(['id', 'epoch'])
    .where('device', '=', device)
    .orderBy('id', 'desc')
    .offset(epochsKeptMax)
    .limit(1)
    .executeTakeFirst();
  if (excess === undefined) return false;
  await tx.deleteFrom('incarnation').where('id', '=', excess.id).execute();
  await tx
    .deleteFrom('mark')
    .where('device', '=', device)
    .where('epoch', '=', excess.epoch)
    .execute();
  return false;
}

/** Judges the device by its last Exchange, and remembers this one, where it tells something new. */
async function look(
  tx: Transaction<Schema>,
  exchange: Exchange,
  isKnown: boolean,
): Promise<Suspicion | undefined> {
  const [last] = await sightingsOf(tx, exchange.device);
  const { sighting, suspicion } = judge(last && sightingOf(last), exchange, isKnown);
  const row = sightingRow(exchange.device, sighting);
  if (tellsNews(row, last))
    await tx
      .insertInto('sighting')
      .values(row)
      .onConflict((c) => c.column('device').doUpdateSet(row))
      .execute();
  return suspicion;
}

type SightingRow = Selectable<Schema['sighting']>;

const sightingsOf = builtOnce((db, device: string) =>
  db.selectFrom('sighting').selectAll().where('device', '=', device),
);

const marksOfEpoch = builtOnce((db, device: string, epoch: string) =>
  db
    .selectFrom('mark')
    .select(['epoch', 'lane', 'seq'])
    .where('device', '=', device)
    .where('epoch', '=', epoch),
);

const sightingRow = (device: string, { assigned, ...rest }: Sighting): SightingRow => {
  return { device, ...rest, ...assigned };
};

const tellsNews = (row: SightingRow, last: SightingRow | undefined): boolean =>
  Object.entries(row).some(([key, value]) => last?.[key as keyof SightingRow] !== value);

/** How far the lanes of the epochs that an Exchange speaks of have been read. */
async function marksOf(db: Kysely<Schema>, exchange: Exchange): Promise<ReadonlyMap<string, Ack>> {
  const marks: Ack[] = [];
  for (const epoch of epochsOf(exchange))
    marks.push(...(await marksOfEpoch(db, exchange.device, epoch)));
  return new Map(marks.map((mark) => [markKey(mark.epoch, mark.lane), mark]));
}

async function suspect(
  tx: Transaction<Schema>,
  device: string,
  kind: Suspicion,
  nowMs: number,
): Promise<void> {
  await tx
    .insertInto('suspicion')
    .values({ device, kind, times: 1, first_ms: nowMs, last_ms: nowMs })
    .onConflict((c) =>
      c
        .columns(['device', 'kind'])
        .doUpdateSet((e) => ({ times: e('suspicion.times', '+', 1), last_ms: nowMs })),
    )
    .execute();
}

function sightingOf({ boot, epoch, cursor, turns, urgent, normal, bulk }: SightingRow): Sighting {
  return { boot, epoch, cursor, turns, assigned: { urgent, normal, bulk } };
}

/** What somebody has still to deal with is kept until then. */
async function open(
  tx: Transaction<Schema>,
  device: string,
  { atMs, body: said }: UpOp,
  body: Uint8Array,
): Promise<void> {
  const { kind } = said;
  if (kind === 'telemetry') return;
  if (kind === 'escalation')
    // The same question asked again, by a device whose disk was restored, is already open: one answer is enough.
    await tx
      .insertInto('escalation')
      .values({ device, request_id: said.requestId, body })
      .onConflict((c) => c.columns(['device', 'request_id']).doNothing())
      .execute();
  else await tx.insertInto('up_op').values({ device, kind, at_ms: atMs, body }).execute();
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
