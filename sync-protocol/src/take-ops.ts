// Which ops of an Exchange are new. Within an epoch and lane ops come in order from the oldest unacknowledged on, so
// one mark for each says it all: what lies at or below it has been stored before. Pure; both stores use it.

import type { Ack, Exchange, UpOp } from './messages.ts';
import { type Lane, laneOf, lanes } from './op-kinds.ts';

export type Marks = ReadonlyMap<string, Ack>;
export const markKey = (epoch: string, lane: Lane): string => `${lane}/${epoch}`;

export interface Taken {
  readonly fresh: readonly UpOp[];
  /** All that this Exchange is to hear. */
  readonly acks: readonly Ack[];
  /** Those among them that have risen. */
  readonly raised: readonly Ack[];
  readonly newEpoch: boolean;
}

/** The epochs that an Exchange speaks of. */
export const epochsOf = ({ epoch, ops }: Exchange): readonly string[] => [
  ...new Set([epoch, ...ops.map((op) => op.epoch ?? epoch)]),
];

/** `before` holds the marks of `epochsOf(exchange)`. */
export function takeOps(exchange: Exchange, before: Marks): Taken {
  const { epoch, assigned } = exchange;
  const seqOf = (marks: Marks, of: string, lane: Lane): number =>
    marks.get(markKey(of, lane))?.seq ?? 0;
  // Seqs that were never given cannot have been acknowledged, unless somebody else gave them. [EPO3]
  const newEpoch = lanes.some((lane) => assigned[lane] < seqOf(before, epoch, lane));
  const marks = new Map(before);
  const raised = new Map<string, Ack>();
  const fresh: UpOp[] = [];
  for (const op of exchange.ops) {
    const lane = laneOf(op.body);
    const of = op.epoch ?? epoch;
    if ((newEpoch && of === epoch) || op.seq <= seqOf(marks, of, lane)) continue;
    fresh.push(op);
    const mark = { epoch: of, lane, seq: op.seq };
    marks.set(markKey(of, lane), mark);
    raised.set(markKey(of, lane), mark);
  }
  const acks = [...marks.values()].filter((ack) => !(newEpoch && ack.epoch === epoch));
  return { fresh, acks, raised: [...raised.values()], newEpoch };
}
