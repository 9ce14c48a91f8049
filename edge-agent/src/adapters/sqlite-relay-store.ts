// What a site's relay keeps of its neighbours, in the device's one database: how far each was read, what it is still to
// be told, and its frames until the hub has taken them. All of it bounded, and none of it the coordinator's.

import { assert, err, failure, ok, type Result } from '@skerry/shared';
import {
  type Ack,
  countWithin,
  type DownOp,
  decodeDownBody,
  decodeUpBody,
  encodeBody,
  epochsOf,
  markKey,
  type OpenOp,
  opBytes,
  placeholder,
  takeOps,
  type UpOp,
} from '@skerry/sync-protocol';
import { type Member, parseHeads } from '@skerry/sync-protocol/documents';
import type { RelayStore } from '../documents/relay.ts';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';
import { createDocumentQuarantine } from './sqlite-document-quarantine.ts';

export interface RelayStoreBounds {
  readonly neighboursMax: number;
  /** Frames accepted that the hub has not taken. */
  readonly framesMax: number;
}

/** Frames of older ones are taken again, which changes nothing. */
const epochsKeptMax = 16;
/** Who was not heard for so long makes room, at a start; it is a neighbour again when it is heard. */
const neighbourKeptMs = 90 * 86_400_000;
/** How exactly that is known. */
const heardEveryMs = 3_600_000;

/** `document` is the one that this relay passes on. */
export function createSqliteRelayStore(
  database: SqliteDatabase,
  document: string,
  bounds: RelayStoreBounds,
  nowMs: number,
): Result<RelayStore> {
  const sql = statements(database);
  const quarantine = createDocumentQuarantine(database);
  const forgotten = inTransaction(database, () => {
    const beforeMs = nowMs - neighbourKeptMs;
    for (const drop of sql.forgetSilent) drop.run(beforeMs);
    return ok(undefined);
  });
  if (!forgotten.ok) return forgotten;

  const hear = (device: string, cursor: number, atMs: number): Result<void> => {
    const known = sql.neighbour.get(device);
    if (known === undefined && sql.neighbours.get() === bounds.neighboursMax)
      return err(failure('overloaded', `${bounds.neighboursMax} neighbours already`));
    const isNews =
      known === undefined || known.position < cursor || atMs - known.heard_ms > heardEveryMs;
    // [ACC4] A cursor ahead of us was given by a relay before us.
    if (isNews) sql.hear.run(device, cursor, atMs);
    if (cursor > 0) sql.forgetDown.run(device, cursor);
    return ok(undefined);
  };

  const putAside = (id: number, reason: string, atMs: number): void => {
    const frame = sql.take.get(id);
    if (frame === undefined) return;
    quarantine({ document, source: frame.device, reason, bytes: frame.body, atMs });
  };

  return ok({
    neighbours: () => sql.neighbours.get() ?? 0,

    async accept(exchange, atMs) {
      const { device, cursor } = exchange;
      if (exchange.ops.some(({ body }) => !isOf(body, document)))
        return err(failure('invalid_argument', `a relay takes changes of '${document}' alone`)); // [RLY2]
      return inTransaction(database, () => {
        const heard = hear(device, cursor, atMs);
        if (!heard.ok) return heard;
        const named = new Set(epochsOf(exchange));
        const marks = sql.marks.all(device).filter(({ epoch }) => named.has(epoch));
        const { fresh, acks, raised, newEpoch } = takeOps(
          exchange,
          new Map(marks.map((mark) => [markKey(mark.epoch, mark.lane), mark])),
        );
        if (fresh.length > 0 && (sql.frames.get() ?? 0) + fresh.length > bounds.framesMax)
          return err(failure('overloaded', 'the relay has frames enough to take'));
        for (const { atMs, body } of fresh) {
          const encoded = encodeBody(body);
          if (!encoded.ok) return encoded;
          sql.open.run(device, atMs, encoded.value);
        }
        for (const { epoch, lane, seq } of raised) sql.raise.run(device, epoch, lane, seq, seq);
        if (raised.length > 0) sql.boundMarks.run(device, device, epochsKeptMax);
        return ok({ fresh, acks, newEpoch });
      });
    },

    downOpsAfter: async (device, cursor, opsMax, bytesMax) =>
      inTransaction(database, () => {
        const rows = sql.downAfter.all(device, cursor, opsMax + 1);
        const taken = rows.slice(0, countWithin(rows, opsMax, bytesMax));
        const ops = taken.map(({ position, at_ms: atMs, body }): DownOp => {
          const decoded = decodeDownBody(body);
          if (decoded.ok) return { position, atMs, body: decoded.value };
          // [QUA5] Its position passes all the same.
          const { message: reason } = decoded.error;
          quarantine({ document, source: 'relay', reason, bytes: body, atMs });
          const encoded = encodeBody(placeholder);
          assert(encoded.ok, 'the placeholder can be sent');
          sql.replaceDown.run(opBytes(placeholder), encoded.value, device, position);
          return { position, atMs, body: placeholder };
        });
        return ok({ ops, more: rows.length > taken.length });
      }),

    async append(device, body, atMs) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      return inTransaction(database, () => {
        const position = sql.nextPosition.get(device);
        if (position === undefined) return err(failure('not_found', `no neighbour '${device}'`));
        sql.append.run(device, position, atMs, opBytes(body), encoded.value);
        return ok(position);
      });
    },

    openOps: async (kind, opsMax, after = 0) =>
      inTransaction(database, () => {
        if (kind !== 'document-change') return ok([]);
        for (;;) {
          const ops: OpenOp[] = [];
          const rows = sql.openOps.all(after, opsMax);
          for (const { id, device, at_ms: atMs, body } of rows) {
            const decoded = decodeUpBody(body);
            if (decoded.ok) ops.push({ id, device, atMs, body: decoded.value });
            else putAside(id, decoded.error.message, atMs); // [QUA5]
          }
          if (ops.length === rows.length) return ok(ops);
        }
      }),

    closeOps: async (ids) =>
      inTransaction(database, () => {
        for (const id of ids) sql.close.run(id);
        return ok(undefined);
      }),

    quarantineOp: async (id, reason, atMs) =>
      inTransaction(database, () => ok(putAside(id, reason, atMs))),

    members: {
      load: async () =>
        inTransaction(database, () =>
          ok(
            sql.members.all().map(({ heads, basis, ...row }): Member => {
              // [QUA5] Of whom it is not known what it has it is told everything.
              return { ...row, heads: parseHeads(heads) ?? [], basis: parseHeads(basis) ?? [] };
            }),
          ),
        ),
      save: async ({ heads, basis, ...member }) =>
        inTransaction(database, () => {
          sql.saveMember.run({
            ...member,
            heads: JSON.stringify(heads),
            basis: JSON.stringify(basis),
          });
          return ok(undefined);
        }),
      remove: async (of, device) =>
        inTransaction(database, () => {
          sql.removeMember.run(of, device);
          return ok(undefined);
        }),
    },
  });
}

const isOf = (body: UpOp['body'], document: string): boolean =>
  body.kind === 'document-change' && body.document === document;

type MemberRow = Omit<Member, 'heads' | 'basis'> & {
  readonly heads: string;
  readonly basis: string;
};

function statements(database: SqliteDatabase) {
  return {
    neighbour: database.prepare<[string], { position: number; heard_ms: number }>(
      'SELECT position, heard_ms FROM relay_neighbour WHERE device = ?',
    ),
    neighbours: database.prepare<[], number>('SELECT count(*) FROM relay_neighbour').pluck(),
    hear: database.prepare<[string, number, number]>(
      `INSERT INTO relay_neighbour (device, position, heard_ms) VALUES (?, ?, ?)
       ON CONFLICT (device) DO UPDATE
       SET position = max(position, excluded.position), heard_ms = excluded.heard_ms`,
    ),
    forgetSilent: [
      'document_member WHERE device',
      'relay_mark WHERE device',
      'relay_down WHERE device',
      'relay_neighbour WHERE device',
    ].map((rows) =>
      database.prepare<[number]>(
        `DELETE FROM ${rows} IN (SELECT device FROM relay_neighbour WHERE heard_ms < ?)`,
      ),
    ),
    marks: database.prepare<[string], Ack>(
      'SELECT epoch, lane, seq FROM relay_mark WHERE device = ?',
    ),
    raise: database.prepare<[string, string, string, number, number]>(
      `INSERT INTO relay_mark (device, epoch, lane, seq) VALUES (?, ?, ?, ?)
       ON CONFLICT (device, epoch, lane) DO UPDATE SET seq = ?`,
    ),
    boundMarks: database.prepare<[string, string, number]>(
      `DELETE FROM relay_mark WHERE device = ? AND rowid <=
         (SELECT rowid FROM relay_mark WHERE device = ? ORDER BY rowid DESC LIMIT 1 OFFSET ?)`,
    ),
    frames: database.prepare<[], number>('SELECT count(*) FROM relay_frame').pluck(),
    open: database.prepare<[string, number, Uint8Array]>(
      'INSERT INTO relay_frame (device, at_ms, body) VALUES (?, ?, ?)',
    ),
    openOps: database.prepare<
      [number, number],
      { id: number; device: string; at_ms: number; body: Uint8Array }
    >('SELECT id, device, at_ms, body FROM relay_frame WHERE id > ? ORDER BY id LIMIT ?'),
    close: database.prepare<[number]>('DELETE FROM relay_frame WHERE id = ?'),
    take: database.prepare<[number], { device: string; body: Uint8Array }>(
      'DELETE FROM relay_frame WHERE id = ? RETURNING device, body',
    ),
    nextPosition: database
      .prepare<[string], number>(
        'UPDATE relay_neighbour SET position = position + 1 WHERE device = ? RETURNING position',
      )
      .pluck(),
    append: database.prepare<[string, number, number, number, Uint8Array]>(
      'INSERT INTO relay_down (device, position, at_ms, bytes, body) VALUES (?, ?, ?, ?, ?)',
    ),
    downAfter: database.prepare<
      [string, number, number],
      { position: number; at_ms: number; bytes: number; body: Uint8Array }
    >(
      `SELECT position, at_ms, bytes, body FROM relay_down
       WHERE device = ? AND position > ? ORDER BY position LIMIT ?`,
    ),
    replaceDown: database.prepare<[number, Uint8Array, string, number]>(
      'UPDATE relay_down SET bytes = ?, body = ? WHERE device = ? AND position = ?',
    ),
    forgetDown: database.prepare<[string, number]>(
      'DELETE FROM relay_down WHERE device = ? AND position <= ?',
    ),
    members: database.prepare<[], MemberRow>(
      `SELECT document, device, epoch, heads, basis_epoch AS basisEpoch, basis, position
       FROM document_member`,
    ),
    saveMember: database.prepare<[MemberRow]>(
      `INSERT OR REPLACE INTO document_member
         (document, device, epoch, heads, basis_epoch, basis, position)
       VALUES (@document, @device, @epoch, @heads, @basisEpoch, @basis, @position)`,
    ),
    removeMember: database.prepare<[string, string]>(
      'DELETE FROM document_member WHERE document = ? AND device = ?',
    ),
  };
}
