// The DeviceStore over SQLite: outbox, cursor, quarantine and identity.

import { assert, defined, err, type Failure, failure, ok, type Result } from '@skerry/shared';
import {
  admit,
  type ByKind,
  type ByLane,
  byKind,
  createBudget,
  type DeviceStore,
  type DownOp,
  type Drops,
  decodeUpBody,
  encodeBody,
  evictableFor,
  fillLanes,
  fits,
  type Held,
  type Lane,
  laneOf,
  lanes,
  noDrops,
  type OutboxBounds,
  opBytes,
  opKinds,
  totalOf,
  type UpKind,
  type UpOp,
  upKinds,
} from '@skerry/sync-protocol';
import { inTransaction, type SqliteDatabase } from './sqlite-database.ts';
import { createOpQuarantine } from './sqlite-op-quarantine.ts';

interface IdentityRow {
  readonly device: string;
  readonly boot: number;
  readonly cursor: number;
  readonly quarantined: number;
}

interface OutboxRow {
  readonly lane: Lane;
  readonly seq: number;
  readonly epoch: string;
  readonly kind: UpKind;
  readonly at_ms: number;
  readonly bytes: number;
  readonly body: Uint8Array;
}

/** What the database holds, kept in memory, for a count over a long outbox is slow; changed only after a commit. */
interface State {
  readonly epoch: string;
  readonly cursor: number;
  readonly quarantined: number;
  readonly assigned: ByLane<number>;
  readonly held: ByKind<Held>;
  readonly drops: ByKind<Drops>;
}

/** `newEpoch` names this opening of the store, and each renewal. Fails where the database is another device's. */
export function createSqliteDeviceStore(
  database: SqliteDatabase,
  device: string,
  newEpoch: () => string,
  bounds: OutboxBounds,
): Result<DeviceStore> {
  const sql = statements(database);
  const quarantine = createOpQuarantine(database);
  const opened = inTransaction(database, () => {
    if (sql.identity.get() === undefined) sql.enrol.run(device);
    const row = defined(sql.boot.get(), 'identity');
    return row.device === device ? ok(row) : err(notOurs(row.device, device));
  });
  if (!opened.ok) return opened;
  const { boot } = opened.value;
  const budget = createBudget((kind) => opKinds[kind].bytesPerHourMax);
  let state: State = { ...opened.value, epoch: newEpoch(), ...readState(sql) };

  /** Runs `change` in a transaction and reads again what it may have touched. */
  const commit = <T>(change: () => Result<T>, cursor = state.cursor): Result<T> => {
    const done = inTransaction(database, () => {
      const result = change();
      return result.ok ? ok({ value: result.value, read: readState(sql) }) : result;
    });
    if (!done.ok) return done;
    state = { ...state, ...done.value.read, cursor };
    return ok(done.value.value);
  };

  const drop = (kind: UpKind, why: keyof Drops, many: number): void => {
    sql.countDrop[why].run(kind, many, many);
  };

  const oldest = (opsMax: number, bytesMax: number, turn: number): readonly OutboxRow[] => {
    const waitingIn = (lane: Lane): readonly OutboxRow[] => {
      const rows: OutboxRow[] = [];
      let bytes = 0;
      for (const row of sql.oldest.iterate(lane, opsMax)) {
        if (rows.length > 0 && bytes > bytesMax) break;
        bytes += row.bytes;
        rows.push(row);
      }
      return rows;
    };
    const waiting = {
      urgent: waitingIn('urgent'),
      normal: waitingIn('normal'),
      bulk: waitingIn('bulk'),
    };
    const taken = fillLanes(waiting, opsMax, bytesMax, turn);
    return lanes.flatMap((lane) => waiting[lane].slice(0, taken[lane]));
  };

  /** [QUA5] False where the disk takes no more: they stay, and are passed over. */
  const putAside = (unreadable: readonly Unreadable[]): boolean => {
    const done = commit(() => {
      for (const { row, reason } of unreadable) {
        const { lane, seq, kind, body } = row;
        sql.remove.run(lane, seq);
        quarantine({ kind, reason, body });
      }
      return ok(undefined);
    });
    if (done.ok) state = { ...state, quarantined: state.quarantined + unreadable.length };
    return done.ok;
  };

  return ok({
    position: () => {
      const { epoch, cursor, assigned, drops, quarantined } = state;
      return { device, epoch, boot, assigned, cursor, ...totalOf(state.held), drops, quarantined };
    },

    append(body, atMs, effect) {
      const { kind } = body;
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      const bytes = opBytes(body);
      const admitted = admit(kind, bytes, state.held, bounds);
      if (!admitted.ok) return admitted;
      if (!budget.spend(kind, bytes, atMs)) {
        const counted = commit(() => ok(drop(kind, 'overBudget', 1)));
        return counted.ok ? err(failure('overloaded', `${kind}: over the hour's budget`)) : counted;
      }
      const lane = laneOf(body);
      const seq = state.assigned[lane] + 1;
      let held = state.held;
      let evicted: ByKind<number> = noneEvicted;
      const appended = inTransaction(database, () => {
        held = state.held;
        evicted = noneEvicted;
        // [LAN4] The oldest of the worst, until the op fits.
        for (const worse of evictableFor(kind))
          while (!fits(totalOf(held), bytes, bounds) && held[worse].ops > 0) {
            const gone = defined(sql.evict.get(worse), `an op of ${worse}`);
            held = add(held, worse, -1, -gone);
            evicted = { ...evicted, [worse]: evicted[worse] + 1 };
            drop(worse, 'evicted', 1);
          }
        sql.assign.run(lane, seq, seq);
        sql.append.run(lane, seq, state.epoch, kind, atMs, bytes, encoded.value);
        effect?.();
        return ok(seq);
      });
      if (appended.ok) {
        const drops = { ...state.drops };
        for (const worse of upKinds)
          if (evicted[worse] > 0)
            drops[worse] = { ...drops[worse], evicted: drops[worse].evicted + evicted[worse] };
        const assigned = { ...state.assigned, [lane]: seq };
        state = { ...state, assigned, drops, held: add(held, kind, 1, bytes) };
      }
      return appended;
    },

    unacknowledged(opsMax, bytesMax, turn = 0) {
      for (;;) {
        const ops: UpOp[] = [];
        const unreadable: Unreadable[] = [];
        for (const row of oldest(opsMax, bytesMax, turn)) {
          const op = opOf(row, state.epoch);
          if (op.ok) ops.push(op.value);
          else unreadable.push({ row, reason: op.error.message });
        }
        if (unreadable.length === 0 || !putAside(unreadable)) return ops;
      }
    },

    apply(reply, effect) {
      const isNext = reply.after <= state.cursor; // [INB4]
      const fresh = isNext ? reply.ops.filter((op) => op.position > state.cursor) : [];
      const moved = fresh.at(-1)?.position ?? state.cursor;
      const applied: DownOp[] = [];
      let refused = 0;
      const done = commit(() => {
        for (const { epoch, lane, seq } of reply.acks) sql.forget.run(lane, epoch, seq);
        for (const op of fresh) {
          const result = inTransaction(database, () => effect(op) ?? ok(undefined));
          if (result.ok) applied.push(op);
          else if (result.error.retryable) return result;
          else {
            refused++;
            const { kind } = op.body;
            const body = encodeBody(op.body);
            assert(body.ok, 'what a message brought can be encoded');
            const { message: reason } = result.error;
            quarantine({ position: op.position, kind, reason, body: body.value });
          }
        }
        if (moved > state.cursor) sql.advance.run(moved);
        return ok(applied);
      }, moved);
      if (done.ok) state = { ...state, quarantined: state.quarantined + refused };
      return done;
    },

    expire(nowMs) {
      const due = upKinds.flatMap((kind) => {
        const { ttlMs } = opKinds[kind];
        return ttlMs === undefined || state.held[kind].ops === 0
          ? []
          : [{ kind, beforeMs: nowMs - ttlMs }];
      });
      if (!due.some(({ kind, beforeMs }) => sql.isExpired.get(kind, beforeMs) === 1)) return ok(0);
      return commit(() => {
        let expired = 0;
        for (const { kind, beforeMs } of due) {
          const { changes } = sql.expire.run(kind, beforeMs);
          if (changes > 0) drop(kind, 'expired', changes);
          expired += changes;
        }
        return ok(expired);
      });
    },

    withdraw(kind, isMeant) {
      if (state.held[kind].ops === 0) return ok(0);
      return commit(() => {
        let withdrawn = 0;
        for (const { lane, seq, body } of sql.ofKind.all(kind)) {
          const decoded = decodeUpBody(body);
          if (!decoded.ok || !isMeant(decoded.value)) continue;
          sql.remove.run(lane, seq);
          withdrawn++;
        }
        return ok(withdrawn);
      });
    },

    renew() {
      const old = state.epoch;
      const epoch = newEpoch();
      const renewed = commit(() => {
        for (const lane of lanes)
          for (const row of sql.ofEpoch.all(lane, old)) {
            const seq = defined(sql.nextSeq.get(lane), 'a lane that has ops');
            sql.rename.run(seq, epoch, lane, row.seq);
          }
        return ok(undefined);
      });
      if (renewed.ok) state = { ...state, epoch };
      return renewed;
    },
  });
}

const noneEvicted = byKind(0);

const add = (held: ByKind<Held>, kind: UpKind, ops: number, bytes: number): ByKind<Held> => ({
  ...held,
  [kind]: { ops: held[kind].ops + ops, bytes: held[kind].bytes + bytes },
});

interface Unreadable {
  readonly row: OutboxRow;
  readonly reason: string;
}

function opOf({ seq, epoch, at_ms, body }: OutboxRow, current: string): Result<UpOp> {
  const decoded = decodeUpBody(body);
  if (!decoded.ok) return decoded;
  const op = { seq, atMs: at_ms, body: decoded.value };
  return ok(epoch === current ? op : { ...op, epoch });
}

const notOurs = (stored: string, device: string): Failure =>
  failure('invalid_config', `this store is device '${stored}', not '${device}'`);

function statements(database: SqliteDatabase) {
  const countDrop = (column: string) =>
    database.prepare<[string, number, number]>(
      `INSERT INTO drops (kind, ${column}) VALUES (?, ?)
       ON CONFLICT (kind) DO UPDATE SET ${column} = ${column} + ?`,
    );
  return {
    identity: database.prepare<[], { device: string }>('SELECT device FROM identity'),
    enrol: database.prepare<[string]>('INSERT INTO identity (device) VALUES (?)'),
    boot: database.prepare<[], IdentityRow>(
      'UPDATE identity SET boot = boot + 1 RETURNING device, boot, cursor, quarantined',
    ),
    lanes: database.prepare<[], { lane: Lane; last_seq: number }>('SELECT * FROM lane'),
    assign: database.prepare<[Lane, number, number]>(
      'INSERT INTO lane (lane, last_seq) VALUES (?, ?) ON CONFLICT (lane) DO UPDATE SET last_seq = ?',
    ),
    nextSeq: database
      .prepare<[Lane], number>(
        'UPDATE lane SET last_seq = last_seq + 1 WHERE lane = ? RETURNING last_seq',
      )
      .pluck(),
    append: database.prepare<[Lane, number, string, UpKind, number, number, Uint8Array]>(
      'INSERT INTO outbox (lane, seq, epoch, kind, at_ms, bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    oldest: database.prepare<[Lane, number], OutboxRow>(
      'SELECT * FROM outbox WHERE lane = ? ORDER BY seq LIMIT ?',
    ),
    ofEpoch: database.prepare<[Lane, string], { seq: number }>(
      'SELECT seq FROM outbox WHERE lane = ? AND epoch = ? ORDER BY seq',
    ),
    rename: database.prepare<[number, string, Lane, number]>(
      'UPDATE outbox SET seq = ?, epoch = ? WHERE lane = ? AND seq = ?',
    ),
    held: database.prepare<[], { kind: UpKind; ops: number; bytes: number }>(
      'SELECT kind, count(*) AS ops, sum(bytes) AS bytes FROM outbox GROUP BY kind',
    ),
    ofKind: database.prepare<[UpKind], Pick<OutboxRow, 'lane' | 'seq' | 'body'>>(
      'SELECT lane, seq, body FROM outbox WHERE kind = ?',
    ),
    remove: database.prepare<[Lane, number]>('DELETE FROM outbox WHERE lane = ? AND seq = ?'),
    evict: database
      .prepare<[UpKind], number>(
        `DELETE FROM outbox WHERE rowid = (SELECT rowid FROM outbox WHERE kind = ? ORDER BY seq LIMIT 1)
         RETURNING bytes`,
      )
      .pluck(),
    isExpired: database
      .prepare<[UpKind, number], 1>('SELECT 1 FROM outbox WHERE kind = ? AND at_ms < ? LIMIT 1')
      .pluck(),
    expire: database.prepare<[UpKind, number]>('DELETE FROM outbox WHERE kind = ? AND at_ms < ?'),
    forget: database.prepare<[Lane, string, number]>(
      'DELETE FROM outbox WHERE lane = ? AND epoch = ? AND seq <= ?',
    ),
    drops: database.prepare<
      [],
      { kind: UpKind; expired: number; evicted: number; over_budget: number }
    >('SELECT * FROM drops'),
    countDrop: {
      expired: countDrop('expired'),
      evicted: countDrop('evicted'),
      overBudget: countDrop('over_budget'),
    },
    advance: database.prepare<[number]>('UPDATE identity SET cursor = ?'),
  };
}

function readState(sql: ReturnType<typeof statements>): Pick<State, 'assigned' | 'held' | 'drops'> {
  const assigned = { urgent: 0, normal: 0, bulk: 0 };
  for (const { lane, last_seq } of sql.lanes.all()) assigned[lane] = last_seq;
  const held = { ...byKind({ ops: 0, bytes: 0 }) };
  for (const { kind, ...rest } of sql.held.all()) held[kind] = rest;
  const drops = { ...noDrops };
  for (const { kind, expired, evicted, over_budget } of sql.drops.all())
    drops[kind] = { expired, evicted, overBudget: over_budget };
  return { assigned, held, drops };
}
