// What has truly been committed to the disks, written down beside them, and what must never be found there.
// NEV1–NEV6 of sync-protocol/SPEC.md, checked after every step.

import type { DownOp, SyncPosition, UpOp } from '@skerry/sync-protocol';

export interface Violation {
  readonly rule: 'NEV1' | 'NEV2' | 'NEV3' | 'NEV4' | 'NEV5' | 'NEV6';
  readonly message: string;
}

export interface OutboxBounds {
  readonly outboxOpsMax: number;
  readonly outboxBytesMax: number;
}

/** What lies on a device's disk, read past the process that holds it. */
export interface DeviceDiskView {
  readonly position: SyncPosition;
  readonly outboxSeqs: ReadonlySet<number>;
}

export interface Ledger {
  /** A device's store has committed an append. */
  appended(device: string, seq: number, requestId: string): void;
  /** The coordinator's store has committed these ops as new. */
  accepted(device: string, epoch: string, fresh: readonly UpOp[]): void;
  /** A device's store has committed these ops as applied. */
  applied(device: string, ops: readonly DownOp[]): void;
  /** The first thing that must never happen and has. */
  check(device: string, view: DeviceDiskView): Violation | undefined;
  readonly counts: { readonly appended: number; readonly answered: number };
}

export function createLedger(bounds: OutboxBounds): Ledger {
  /** By device: seqs that only its outbox holds. */
  const onlyInOutbox = new Map<string, Set<number>>();
  const acceptedOps = new Set<string>();
  const answers = new Map<string, number>();
  const last = new Map<string, SyncPosition>();
  const counts = { appended: 0, answered: 0 };
  let found: Violation | undefined;
  const violate = (rule: Violation['rule'], message: string): void => {
    found ??= { rule, message };
  };
  const held = (device: string): Set<number> => {
    const seqs = onlyInOutbox.get(device) ?? new Set();
    onlyInOutbox.set(device, seqs);
    return seqs;
  };

  return {
    counts,
    appended(device, seq, requestId) {
      counts.appended++;
      held(device).add(seq);
      answers.set(requestId, 0);
    },
    accepted(device, epoch, fresh) {
      for (const { seq } of fresh) {
        const name = `${device}/${epoch}/${seq}`;
        if (acceptedOps.has(name)) violate('NEV2', `op ${name} was accepted as new twice`);
        acceptedOps.add(name);
        held(device).delete(seq);
      }
    },
    applied(device, ops) {
      for (const { body, position } of ops) {
        if (body.kind !== 'answer') continue;
        const times = (answers.get(body.requestId) ?? Number.NaN) + 1;
        answers.set(body.requestId, times);
        if (times !== 1)
          violate('NEV3', `${device} at ${position}: answer ${times} to '${body.requestId}'`);
        counts.answered++;
      }
    },
    check(device, { position, outboxSeqs }) {
      for (const seq of held(device))
        if (!outboxSeqs.has(seq))
          violate('NEV1', `op ${device}/${seq} left the outbox and is nowhere durable`);
      if (position.ops > bounds.outboxOpsMax || position.bytes > bounds.outboxBytesMax)
        violate('NEV4', `${device}'s outbox holds ${position.ops} ops, ${position.bytes} bytes`);
      const before = last.get(device) ?? position;
      if (position.cursor < before.cursor || position.epoch !== before.epoch)
        violate('NEV5', `${device} went from ${before.cursor} back to ${position.cursor}`);
      last.set(device, position);
      return found;
    },
  };
}
