// A DeviceStore whose disk is an object: it outlives the store that holds it, as a disk outlives a process, and can be
// copied and put back, as a disk can.

import { err, failure, ok } from '@skerry/shared';
import { encodeBody, opBytes } from '../codec.ts';
import type { DownOp, UpOp } from '../messages.ts';
import {
  type ByKind,
  type ByLane,
  type Lane,
  laneOf,
  lanes,
  noneByLane,
  opKinds,
  type UpKind,
  upKinds,
} from '../op-kinds.ts';
import {
  admit,
  createBudget,
  type Drops,
  type DropsByKind,
  evictableFor,
  fillLanes,
  fits,
  type Held,
  noDrops,
  type OutboxBounds,
  totalOf,
} from '../outbox-plan.ts';
import type { DeviceStore } from '../ports.ts';

interface Row {
  readonly op: UpOp & { readonly epoch: string };
  readonly bytes: number;
}

export interface MemoryDeviceDisk {
  readonly device: string;
  epoch: string;
  boot: number;
  assigned: ByLane<number>;
  cursor: number;
  outbox: readonly Row[];
  drops: DropsByKind;
  quarantine: readonly { readonly op: DownOp; readonly reason: string }[];
  quarantined: number;
}

export function createMemoryDeviceDisk(device: string, epoch: string): MemoryDeviceDisk {
  return {
    device,
    epoch,
    boot: 0,
    assigned: noneByLane,
    cursor: 0,
    outbox: [],
    drops: noDrops,
    quarantine: [],
    quarantined: 0,
  };
}

const defaultBounds: OutboxBounds = { outboxOpsMax: 20_000, outboxBytesMax: 64 * 1024 * 1024 };
const quarantineOpsMax = 100;

/** `newEpoch` names each opening; without it the disk's epoch stays as it is until `renew`. */
export function createMemoryDeviceStore(
  disk: MemoryDeviceDisk,
  bounds: OutboxBounds = defaultBounds,
  newEpoch?: () => string,
): DeviceStore {
  disk.boot++;
  disk.epoch = newEpoch?.() ?? disk.epoch;
  const budget = createBudget((kind) => opKinds[kind].bytesPerHourMax);
  // Kept beside the disk, for a sum over a long outbox is slow.
  let held = heldIn(disk.outbox);

  const keep = (outbox: readonly Row[]): void => {
    disk.outbox = outbox;
    held = heldIn(outbox);
  };
  const count = (kind: UpKind, why: keyof Drops, many: number): void => {
    const drops = disk.drops[kind];
    disk.drops = { ...disk.drops, [kind]: { ...drops, [why]: drops[why] + many } };
  };
  /** Drops the oldest of the worst until the op fits. [LAN4] */
  const makeRoom = (kind: UpKind, bytes: number): void => {
    for (const worse of evictableFor(kind))
      while (!fits(totalOf(held), bytes, bounds) && held[worse].ops > 0) {
        const oldest = disk.outbox.find(({ op }) => op.body.kind === worse);
        keep(disk.outbox.filter((row) => row !== oldest));
        count(worse, 'evicted', 1);
      }
  };

  return {
    position: () => ({
      device: disk.device,
      epoch: disk.epoch,
      boot: disk.boot,
      assigned: disk.assigned,
      cursor: disk.cursor,
      ...totalOf(held),
      drops: disk.drops,
      quarantined: disk.quarantined,
    }),

    append(body, atMs, effect) {
      const { kind } = body;
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      const bytes = opBytes(body);
      const admitted = admit(kind, bytes, held, bounds);
      if (!admitted.ok) return admitted;
      if (!budget.spend(kind, bytes, atMs)) {
        count(kind, 'overBudget', 1);
        return err(failure('overloaded', `${kind}: over the hour's budget`));
      }
      effect?.(); // Before the first change: when it throws there is nothing to undo.
      makeRoom(kind, bytes);
      const lane = laneOf(body);
      const seq = disk.assigned[lane] + 1;
      disk.assigned = { ...disk.assigned, [lane]: seq };
      disk.outbox = [...disk.outbox, { op: { seq, epoch: disk.epoch, atMs, body }, bytes }];
      held = { ...held, [kind]: { ops: held[kind].ops + 1, bytes: held[kind].bytes + bytes } };
      return ok(seq);
    },

    unacknowledged(opsMax, bytesMax, turn = 0) {
      const rowsOf = (lane: Lane) => disk.outbox.filter(({ op }) => laneOf(op.body) === lane);
      const waiting = { urgent: rowsOf('urgent'), normal: rowsOf('normal'), bulk: rowsOf('bulk') };
      const taken = fillLanes(waiting, opsMax, bytesMax, turn);
      return lanes.flatMap((lane) =>
        waiting[lane].slice(0, taken[lane]).map(({ op: { epoch, ...op } }) => {
          return epoch === disk.epoch ? op : { ...op, epoch };
        }),
      );
    },

    apply(reply, effect) {
      const isNext = reply.after <= disk.cursor; // [INB4]
      const fresh = isNext ? reply.ops.filter((op) => op.position > disk.cursor) : [];
      const applied: DownOp[] = [];
      const refused: { op: DownOp; reason: string }[] = [];
      for (const op of fresh) {
        const done = effect(op);
        if (done === undefined || done.ok) applied.push(op);
        else if (done.error.retryable) return done;
        else refused.push({ op, reason: done.error.message });
      }
      const isAcknowledged = ({ op }: Row): boolean =>
        reply.acks.some(
          ({ epoch, lane, seq }) => epoch === op.epoch && lane === laneOf(op.body) && op.seq <= seq,
        );
      const kept = disk.outbox.filter((row) => !isAcknowledged(row));
      if (kept.length < disk.outbox.length) keep(kept);
      disk.cursor = fresh.at(-1)?.position ?? disk.cursor;
      disk.quarantine = [...disk.quarantine, ...refused].slice(-quarantineOpsMax);
      disk.quarantined += refused.length;
      return ok(applied);
    },

    expire(nowMs) {
      const isExpired = ({ op }: Row): boolean => {
        const { ttlMs } = opKinds[op.body.kind];
        return ttlMs !== undefined && op.atMs + ttlMs < nowMs;
      };
      const expired = disk.outbox.filter(isExpired);
      for (const { op } of expired) count(op.body.kind, 'expired', 1);
      if (expired.length > 0) keep(disk.outbox.filter((row) => !isExpired(row)));
      return ok(expired.length);
    },

    withdraw(kind, isMeant) {
      const staying = disk.outbox.filter(
        ({ op: { body } }) => body.kind !== kind || !isMeant(body),
      );
      const withdrawn = disk.outbox.length - staying.length;
      if (withdrawn > 0) keep(staying);
      return ok(withdrawn);
    },

    renew() {
      const old = disk.epoch;
      disk.epoch = newEpoch?.() ?? `${old}'`;
      const assigned = { ...disk.assigned };
      disk.outbox = disk.outbox.map((row) => {
        if (row.op.epoch !== old) return row;
        const seq = ++assigned[laneOf(row.op.body)];
        return { ...row, op: { ...row.op, epoch: disk.epoch, seq } };
      });
      disk.assigned = assigned;
      return ok(undefined);
    },
  };
}

function heldIn(outbox: readonly Row[]): ByKind<Held> {
  const held = Object.fromEntries(upKinds.map((kind) => [kind, { ops: 0, bytes: 0 }])) as Record<
    UpKind,
    { ops: number; bytes: number }
  >;
  for (const { op, bytes } of outbox) {
    held[op.body.kind].ops++;
    held[op.body.kind].bytes += bytes;
  }
  return held;
}
