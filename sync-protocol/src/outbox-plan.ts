// What the stores decide about an outbox, whatever their disk: whether an op fits, what makes room for it, and which
// ops the next Exchange carries. Pure, so that memory and SQLite cannot differ.

import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import {
  type ByKind,
  type ByLane,
  type Lane,
  lanes,
  opKinds,
  type UpKind,
  upKinds,
} from './op-kinds.ts';

export interface OutboxBounds {
  readonly outboxOpsMax: number;
  readonly outboxBytesMax: number;
}

export interface Held {
  readonly ops: number;
  readonly bytes: number;
}

/** Ops that left the outbox, or never entered it, without being acknowledged. Counted since the store was made. */
export interface Drops {
  /** Older than their time to live. */
  readonly expired: number;
  /** Made room for something worth more. */
  readonly evicted: number;
  /** Refused: over the hour's budget. */
  readonly overBudget: number;
}
export type DropsByKind = ByKind<Drops>;

export const noDrops: DropsByKind = Object.fromEntries(
  upKinds.map((kind) => [kind, { expired: 0, evicted: 0, overBudget: 0 }]),
) as Record<UpKind, Drops>;

/** What an outbox holds of each kind. */
export type HeldByKind = ByKind<Held>;

/** Kinds whose oldest ops may go, worst first, to let an op of `kind` in. [LAN4] */
export function evictableFor(kind: UpKind): readonly UpKind[] {
  const { evictionRank } = opKinds[kind];
  return upKinds
    .filter((other) => opKinds[other].evictable && opKinds[other].evictionRank < evictionRank)
    .sort((a, b) => opKinds[a].evictionRank - opKinds[b].evictionRank);
}

/** Whether an op of `kind` fits once all that may make room for it is gone. [OUT5] */
export function admit(
  kind: UpKind,
  bytes: number,
  held: HeldByKind,
  bounds: OutboxBounds,
): Result<void> {
  const freed = evictableFor(kind).map((other) => held[other]);
  const staying = subtract(totalOf(held), freed);
  return fits(staying, bytes, bounds) ? ok(undefined) : err(full(totalOf(held)));
}

export const fits = (held: Held, bytes: number, bounds: OutboxBounds): boolean =>
  held.ops + 1 <= bounds.outboxOpsMax && held.bytes + bytes <= bounds.outboxBytesMax;

export function totalOf(held: HeldByKind): Held {
  const all = Object.values(held);
  return {
    ops: all.reduce((sum, { ops }) => sum + ops, 0),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

const subtract = (from: Held, parts: readonly Held[]): Held => ({
  ops: from.ops - parts.reduce((sum, { ops }) => sum + ops, 0),
  bytes: from.bytes - parts.reduce((sum, { bytes }) => sum + bytes, 0),
});

const full = ({ ops, bytes }: Held): Failure =>
  failure('overloaded', `the outbox holds ${ops} ops, ${bytes} bytes`);

const hourMs = 3_600_000;

export interface Budget {
  /** Whether `bytes` more of `kind` are within this hour's budget; if so they are spent. [LAN5] */
  spend(kind: UpKind, bytes: number, atMs: number): boolean;
}

/** Kept in memory: a restart begins a new hour, and a clock that jumps begins another. */
export function createBudget(bytesPerHourMax: (kind: UpKind) => number): Budget {
  const spent = new Map<UpKind, { readonly hour: number; readonly bytes: number }>();
  return {
    spend(kind, bytes, atMs) {
      const hour = Math.floor(atMs / hourMs);
      const before = spent.get(kind);
      const after = (before?.hour === hour ? before.bytes : 0) + bytes;
      if (after > bytesPerHourMax(kind)) return false;
      spent.set(kind, { hour, bytes: after });
      return true;
    },
  };
}

/** On every so many Exchanges the lanes that wait longest go first, so that none ever starves. [LAN2] */
const humbleTurnEvery = 4;

interface Sized {
  readonly bytes: number;
}

/**
 * How many of each lane's oldest ops the next Exchange takes: one of each lane as far as they fit, the rest by
 * priority; at least one if there is one. `turn` counts Exchanges.
 */
export function fillLanes(
  waiting: ByLane<readonly Sized[]>,
  opsMax: number,
  bytesMax: number,
  turn: number,
): ByLane<number> {
  const taken: Record<Lane, number> = { urgent: 0, normal: 0, bulk: 0 };
  let ops = 0;
  let bytes = 0;
  const takeOne = (lane: Lane): boolean => {
    const next = waiting[lane][taken[lane]];
    if (next === undefined || ops >= opsMax || (ops > 0 && bytes + next.bytes > bytesMax))
      return false;
    ops++;
    bytes += next.bytes;
    taken[lane]++;
    return true;
  };
  const humble = turn % humbleTurnEvery === humbleTurnEvery - 1;
  for (const lane of humble ? [...lanes].reverse() : lanes) takeOne(lane);
  for (const lane of lanes) while (takeOne(lane));
  return taken;
}
