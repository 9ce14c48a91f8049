// CoordinatorStore in SQL: what a device was promised to be durable, and what it has still to be told.
// Seen ops are remembered as one high-water mark for each epoch and lane, for an Exchange always starts at the oldest
// op that is not acknowledged: whatever lies at or below the mark has been stored before.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  type Accepted,
  type Ack,
  type CoordinatorStore,
  countWithin,
  type DownBody,
  type DownOp,
  decodeDownBody,
  decodeUpBody,
  type Exchange,
  encodeBody,
  epochsOf,
  judge,
  markKey,
  type OpenEscalation,
  type OpenOp,
  opBytes,
  type Sighting,
  type Suspicion,
  takeOps,
  type UpOp,
} from '@skerry/sync-protocol';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { attempt } from './attempt.ts';
import { builtOnce } from './built-once.ts';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';

/**
 * Epochs of a device that are remembered: each boot is one. A disk that comes back after more of them, or an outbox
 * that spans more, could have an op accepted twice; an Exchange names 257 at most.
 */
const epochsKeptMax = 1_024;
/** Ops in quarantine that are kept for an operator, over all devices; the oldest go first. */
const quarantineOpsMax = 10_000;

export function createSqlCoordinatorStore(
  db: Kysely<Schema>,
  commits: GroupCommit = createGroupCommit(db),
): CoordinatorStore {
  return {
    async accept(exchange, nowMs) {
      const repeated = await attempt(() => acceptRepeated(db, exchange));
      if (!repeated.ok) return repeated;
      if (repeated.value !== undefined) return ok(repeated.value);
      const rows = opRows(exchange);
      if (!rows.ok) return rows;
      return commits.run(async (tx) => {
        await forgetApplied(tx, exchange.device, exchange.cursor);
        return acceptNew(tx, exchange, rows.value, nowMs);
      });
    },

    async downOpsAfter(device, cursor, opsMax, bytesMax) {
      const rows = await attempt(() => downOpsAfter(db, device, cursor, opsMax + 1));
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
        return insertDown(tx, device, body, encoded.value, nowMs);
      });
    },

    async append(device, body, nowMs) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      return commits.run((tx) => insertDown(tx, device, body, encoded.value, nowMs));
    },

    async openOps(kind, opsMax) {
      const rows = await attempt(() =>
        db
          .selectFrom('up_op')
          .select(['id', 'device', 'at_ms', 'body'])
          .where('kind', '=', kind)
          .orderBy('id')
          .limit(opsMax)
          .execute(),
      );
      if (!rows.ok) return rows;
      return every(rows.value, ({ id, device, at_ms, body }): Result<OpenOp> => {
        const decoded = decodeUpBody(body);
        return decoded.ok ? ok({ id, device, atMs: at_ms, body: decoded.value }) : decoded;
      });
    },

    async closeOps(ids) {
      if (ids.length === 0) return ok(undefined);
      return commits.run(async (tx) => {
        await tx.deleteFrom('up_op').where('id', 'in', ids).execute();
      });
    },

    async quarantineOp(id, reason, nowMs) {
      return commits.run(async (tx) => {
        const op = await tx
          .deleteFrom('up_op')
          .where('id', '=', id)
          .returning(['device', 'kind', 'body'])
          .executeTakeFirst();
        if (op === undefined) return;
        await tx
          .insertInto('quarantine')
          .values({ reason, at_ms: nowMs, ...op })
          .execute();
        await tx
          .deleteFrom('quarantine')
          .where('id', '<=', (q) =>
            q
              .selectFrom('quarantine')
              .select('id')
              .orderBy('id', 'desc')
              .offset(quarantineOpsMax)
              .limit(1),
          )
          .execute();
      });
    },

    async quarantined() {
      const counted = await attempt(() =>
        db
          .selectFrom('quarantine')
          .select((e) => e.fn.countAll<number>().as('ops'))
          .executeTakeFirstOrThrow(),
      );
      return counted.ok ? ok(Number(counted.value.ops)) : counted;
    },

    async suspicions(devices) {
      if (devices.length === 0) return ok([]);
      const rows = await attempt(() =>
        db
          .selectFrom('suspicion')
          .selectAll()
          .where('device', 'in', devices)
          .orderBy('device')
          .orderBy('kind')
          .execute(),
      );
      if (!rows.ok) return rows;
      return ok(
        rows.value.map(({ first_ms, last_ms, ...row }) => {
          return { ...row, firstMs: first_ms, lastMs: last_ms };
        }),
      );
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
        if (!decoded.ok) return decoded;
        return decoded.value.kind === 'escalation'
          ? ok({ device, body: decoded.value })
          : err(failure('storage_failed', `a ${decoded.value.kind} among the escalations`));
      });
    },
  };
}

interface OpRow {
  readonly op: UpOp;
  readonly body: Uint8Array;
}

/** The Exchange's ops, with their bodies as they are stored. */
function opRows(exchange: Exchange): Result<readonly OpRow[]> {
  return every(exchange.ops, (op) => {
    const body = encodeBody(op.body);
    return body.ok ? ok({ op, body: body.value }) : body;
  });
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

const downOpsAfter = builtOnce((db, device: string, cursor: number, opsMax: number) =>
  db
    .selectFrom('down_op')
    .select(['position', 'at_ms', 'bytes', 'body'])
    .where('device', '=', device)
    .where('position', '>', cursor)
    .orderBy('position')
    .limit(opsMax),
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
  { atMs, body: { kind, ...rest } }: UpOp,
  body: Uint8Array,
): Promise<void> {
  if (kind === 'telemetry') return;
  if ('requestId' in rest)
    // The same question asked again, by a device whose disk was restored, is already open: one answer is enough.
    await tx
      .insertInto('escalation')
      .values({ device, request_id: rest.requestId, body })
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

async function insertDown(
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
