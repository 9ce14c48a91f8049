// The next Exchange of a device, from what its store holds. Pure: the same store gives the same message. [EXC1, EXC2]

import { exchangeOpsMax } from '@skerry/shared';
import { opsBytesMax } from './codec.ts';
import { type Exchange, epochsBackMax, protocolVersion, type UpOp } from './messages.ts';
import { type Lane, laneOf } from './op-kinds.ts';
import type { DeviceStore } from './ports.ts';

export interface ExchangeTerms {
  readonly exchangeId: string;
  /** Counts Exchanges. */
  readonly turn?: number;
  /** During a pause: no ops. */
  readonly empty?: boolean;
  /** The device's clock; from it follows what is left of deadlines. [EXC5] */
  readonly nowMs?: number;
  readonly v?: number;
  readonly oldest?: number;
}

export function buildExchange(
  store: Pick<DeviceStore, 'position' | 'unacknowledged'>,
  { exchangeId, turn = 0, empty = false, nowMs, v = protocolVersion, oldest = v }: ExchangeTerms,
): Exchange {
  const { device, epoch, boot, assigned, cursor, ops: held } = store.position();
  const waiting = empty ? [] : ofFewEpochs(store.unacknowledged(exchangeOpsMax, opsBytesMax, turn));
  const ops = nowMs === undefined ? waiting : waiting.map((op) => lessWaited(op, nowMs));
  const more = ops.length < held;
  const head = { v, oldest, device, epoch, boot, assigned: { ...assigned }, exchangeId, cursor };
  return { ...head, type: 'exchange', ops, more };
}

/** In each lane up to the first op of an epoch too many: the Reply must have room for all their acks. */
function ofFewEpochs(ops: readonly UpOp[]): UpOp[] {
  const epochs = new Set<string>();
  const ended = new Set<Lane>();
  return ops.filter(({ epoch, body }) => {
    const lane = laneOf(body);
    if (ended.has(lane)) return false;
    if (epoch === undefined || epochs.has(epoch)) return true;
    if (epochs.size < epochsBackMax) return epochs.add(epoch) !== undefined;
    ended.add(lane);
    return false;
  });
}

/** [EXC5] A clock that was set back has not given an app more time. */
function lessWaited(op: UpOp, nowMs: number): UpOp {
  if (op.body.kind !== 'escalation') return op;
  const waitedMs = Math.max(0, nowMs - op.atMs);
  const deadlineLeftMs = Math.max(0, op.body.deadlineLeftMs - waitedMs);
  return { ...op, body: { ...op.body, deadlineLeftMs } };
}
