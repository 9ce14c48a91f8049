// CoordinatorStore in SQL: what a device was promised to be durable, and what it has still to be told.

import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import {
  type CoordinatorStore,
  countWithin,
  type DownOp,
  decodeDownBody,
  decodeUpBody,
  encodeBody,
  lostQuestion,
  type OpenEscalation,
  type OpenOp,
  type UpBody,
  type UpKind,
} from '@skerry/sync-protocol';
import type { Kysely, Transaction } from 'kysely';
import { builtOnce } from './built-once.ts';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';
import { acceptExchange } from './sql-accept-exchange.ts';
import { emptyDown, insertDown } from './sql-down-ops.ts';
import { countQuarantined, quarantine, readPast } from './sql-op-quarantine.ts';

export function createSqlCoordinatorStore(
  db: Kysely<Schema>,
  clock: Pick<Clock, 'nowMs'>,
  commits: GroupCommit = createGroupCommit(db),
): CoordinatorStore {
  return {
    accept: (exchange, nowMs) => acceptExchange(db, commits, exchange, nowMs),

    async downOpsAfter(device, cursor, opsMax, bytesMax) {
      let more = false;
      const ops = await readPast(
        commits,
        async () => {
          const rows = await downOpsAfter(db, device, cursor, opsMax + 1);
          const taken = rows.slice(0, countWithin(rows, opsMax, bytesMax));
          more = rows.length > taken.length;
          return taken;
        },
        ({ position, at_ms, body }): Result<DownOp> => {
          const decoded = decodeDownBody(body);
          return decoded.ok ? ok({ position, atMs: at_ms, body: decoded.value }) : decoded;
        },
        (tx, { position }, reason) => replaceDown(tx, { device, position }, reason, clock.nowMs()),
      );
      return ops.ok ? ok({ ops: ops.value, more }) : ops;
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

    openOps: (kind, opsMax, after = 0) =>
      readPast(
        commits,
        () =>
          db
            .selectFrom('up_op')
            .select(['id', 'device', 'at_ms', 'body'])
            .where('kind', '=', kind)
            .where('id', '>', after)
            .orderBy('id')
            .limit(opsMax)
            .execute(),
        ({ id, device, at_ms, body }): Result<OpenOp> => {
          const decoded = bodyOf(kind, body);
          return decoded.ok ? ok({ id, device, atMs: at_ms, body: decoded.value }) : decoded;
        },
        (tx, { id }, reason) => quarantineUp(tx, id, reason, clock.nowMs()),
      ),

    async closeOps(ids) {
      if (ids.length === 0) return ok(undefined);
      return commits.run(async (tx) => {
        await tx.deleteFrom('up_op').where('id', 'in', ids).execute();
      });
    },

    quarantineOp: (id, reason, nowMs) => commits.run((tx) => quarantineUp(tx, id, reason, nowMs)),

    quarantined: () => countQuarantined(db),

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

    openEscalations: (opsMax) =>
      readPast(
        commits,
        () =>
          db
            .selectFrom('escalation')
            .select(['device', 'request_id', 'body'])
            .orderBy('id')
            .limit(opsMax)
            .execute(),
        ({ device, body }): Result<OpenEscalation> => {
          const decoded = bodyOf('escalation', body);
          return decoded.ok ? ok({ device, body: decoded.value }) : decoded;
        },
        (tx, { device, request_id }, reason) =>
          loseEscalation(tx, device, request_id, reason, clock.nowMs()),
      ),
  };
}

const downOpsAfter = builtOnce((db, device: string, cursor: number, opsMax: number) =>
  db
    .selectFrom('down_op')
    .select(['position', 'at_ms', 'bytes', 'body'])
    .where('device', '=', device)
    .where('position', '>', cursor)
    .orderBy('position')
    .limit(opsMax),
);

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

/** What a stored body is, if it is of that kind. */
function bodyOf<Kind extends UpKind>(
  kind: Kind,
  bytes: Uint8Array,
): Result<Extract<UpBody, { readonly kind: Kind }>> {
  const decoded = decodeUpBody(bytes);
  if (!decoded.ok) return decoded;
  return decoded.value.kind === kind
    ? ok(decoded.value as Extract<UpBody, { readonly kind: Kind }>)
    : err(failure('malformed_message', `expected a ${kind}, got a ${decoded.value.kind}`));
}

async function quarantineUp(
  tx: Transaction<Schema>,
  id: number,
  reason: string,
  nowMs: number,
): Promise<void> {
  const op = await tx
    .deleteFrom('up_op')
    .where('id', '=', id)
    .returning(['device', 'kind', 'body'])
    .executeTakeFirst();
  if (op !== undefined) await quarantine(tx, { ...op, reason, at_ms: nowMs });
}

/** [QUA5] Its position passes all the same. */
async function replaceDown(
  tx: Transaction<Schema>,
  at: { readonly device: string; readonly position: number },
  reason: string,
  nowMs: number,
): Promise<void> {
  const op = await tx
    .selectFrom('down_op')
    .select('body')
    .where((e) => e.and(at))
    .executeTakeFirst();
  if (op === undefined) return;
  await quarantine(tx, { device: at.device, kind: 'down', reason, at_ms: nowMs, body: op.body });
  await emptyDown(tx, at.device, at.position);
}

/** [QUA5] Who asked is told, by the id that is kept beside the question. */
async function loseEscalation(
  tx: Transaction<Schema>,
  device: string,
  requestId: string,
  reason: string,
  nowMs: number,
): Promise<void> {
  const lost = await tx
    .deleteFrom('escalation')
    .where('device', '=', device)
    .where('request_id', '=', requestId)
    .returning('body')
    .executeTakeFirst();
  if (lost === undefined) return;
  await quarantine(tx, { device, kind: 'escalation', reason, at_ms: nowMs, body: lost.body });
  const answer = lostQuestion(requestId);
  const encoded = encodeBody(answer);
  if (encoded.ok) await insertDown(tx, device, answer, encoded.value, nowMs);
}
