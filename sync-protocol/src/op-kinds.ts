// What each kind of op is worth: which lane it travels in, how long it is wanted, how much of it an hour may bring,
// and whether it may make room for others. One table, for both sides and for every store. A kind never changes its
// lane: the lane is part of an op's name. docs/decisions/0005 says why there are lanes.

import type { UpBody } from './messages.ts';

/** By priority. Each has its own seqs, acks and dedupe. */
export const lanes = ['urgent', 'normal', 'bulk'] as const;
export type Lane = (typeof lanes)[number];
export type ByLane<T> = Readonly<Record<Lane, T>>;

export type UpKind = UpBody['kind'];
export type ByKind<T> = Readonly<Record<UpKind, T>>;

export interface OpKind {
  readonly lane: Lane;
  /** From its append on; then nobody wants it any more. Without one it is kept until it is acknowledged. */
  readonly ttlMs?: number;
  /** What may be appended in one hour of the device's clock. */
  readonly bytesPerHourMax: number;
  /** Of those that have one, the lowest goes first when the outbox is full, and only for an op of a better rank. */
  readonly evictionRank: number;
  /** Whether it may be dropped unsent at all. What exists nowhere else may not. */
  readonly evictable: boolean;
}

const dayMs = 86_400_000;
const mebibytes = 1024 * 1024;

export const opKinds: ByKind<OpKind> = {
  escalation: {
    lane: 'urgent',
    ttlMs: 90 * dayMs,
    bytesPerHourMax: 256 * mebibytes,
    evictionRank: 2,
    evictable: false,
  },
  'document-change': {
    lane: 'normal',
    bytesPerHourMax: 256 * mebibytes,
    evictionRank: 1,
    evictable: false,
  },
  // Behind what an app waits for.
  'update-report': {
    lane: 'bulk',
    bytesPerHourMax: 4 * mebibytes,
    evictionRank: 1,
    evictable: false,
  },
  // In the lane of telemetry, as which it reaches a coordinator of version 3. A round has a deadline of its own.
  'learn-reply': {
    lane: 'bulk',
    ttlMs: 7 * dayMs,
    bytesPerHourMax: 16 * mebibytes,
    evictionRank: 1,
    evictable: false,
  },
  // As a reply. Nobody waits for it: whoever waits asks the coordinator's own API.
  question: {
    lane: 'bulk',
    ttlMs: 90 * dayMs,
    bytesPerHourMax: 16 * mebibytes,
    evictionRank: 2,
    evictable: false,
  },
  // As a question. The turn itself is kept on its device: what does not get through is not lost, it only does not follow.
  turn: {
    lane: 'bulk',
    ttlMs: 30 * dayMs,
    bytesPerHourMax: 4 * mebibytes,
    evictionRank: 1,
    evictable: true,
  },
  // In the lane of turns, so that it comes behind them. It may be late, and never lost.
  forget: {
    lane: 'bulk',
    bytesPerHourMax: mebibytes,
    evictionRank: 2,
    evictable: false,
  },
  telemetry: {
    lane: 'bulk',
    ttlMs: 7 * dayMs,
    bytesPerHourMax: mebibytes,
    evictionRank: 0,
    evictable: true,
  },
};

/** What people have said, or is told of what was: it may be wished gone before it has gone up. */
export type WithdrawableKind = 'turn' | 'question' | 'telemetry';

export const upKinds = Object.keys(opKinds) as readonly UpKind[];
export const byKind = <T>(each: T): ByKind<T> => ({
  escalation: each,
  'document-change': each,
  'update-report': each,
  'learn-reply': each,
  question: each,
  turn: each,
  forget: each,
  telemetry: each,
});
export const laneOf = ({ kind }: { readonly kind: UpKind }): Lane => opKinds[kind].lane;
export const noneByLane: ByLane<number> = { urgent: 0, normal: 0, bulk: 0 };
