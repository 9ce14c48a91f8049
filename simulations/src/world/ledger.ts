// What has truly been committed to the disks, written down beside them, and what must never be found there.
// NEV1–NEV6 of sync-protocol/SPEC.md, checked after every step.

import type { DownOp, OutboxBounds, SyncPosition, UpBody, UpOp } from '@skerry/sync-protocol';

export interface Violation {
  readonly rule: 'NEV1' | 'NEV2' | 'NEV3' | 'NEV4' | 'NEV5' | 'NEV6';
  readonly message: string;
}

/** What one disk knows to have happened on it. Copied with the disk, and put back with it. */
export interface DiskRecord {
  readonly applied: Set<string>;
  cursor: number;
}

export const newRecord = (): DiskRecord => ({ applied: new Set(), cursor: 0 });
export const copyRecord = ({ applied, cursor }: DiskRecord): DiskRecord => ({
  applied: new Set(applied),
  cursor,
});

/** What lies on a device's disk, read past the process that holds it. */
export interface DeviceDiskView {
  readonly position: SyncPosition;
  /** Ids of the unacknowledged ops, of every disk that goes by the device's name. */
  readonly outbox: ReadonlySet<string>;
  readonly record: DiskRecord;
}

export interface Ledger {
  /** A device's store has committed an append. */
  appended(device: string, body: UpBody): void;
  /** The coordinator's store has committed these ops as new. */
  accepted(device: string, fresh: readonly UpOp[]): void;
  /** A device's store has committed these ops as applied. */
  applied(device: string, record: DiskRecord, ops: readonly DownOp[]): void;
  /** A disk is gone: what lay on it alone is owed no more. */
  lost(device: string, outbox: ReadonlySet<string>): void;
  /** The first thing that must never happen and has. */
  check(device: string, view: DeviceDiskView): Violation | undefined;
  /** Escalations of this device that are on no disk that is gone, and have no answer. */
  owed(): readonly string[];
  /** Ids that only a device's outbox holds. */
  unaccepted(): number;
  readonly counts: { readonly appended: number; readonly answered: number };
}

/** What an op is about: the same whatever it is named and whenever it travels. */
export function idOf(body: UpBody): string {
  switch (body.kind) {
    case 'escalation':
      return body.requestId;
    case 'document-change':
      return body.document;
    case 'update-report':
      return body.version;
    case 'question':
      return body.requestId;
    case 'turn':
      return body.turn;
    case 'forget':
      return body.conversation;
    case 'learn-reply':
      return body.run;
    case 'telemetry':
      return Object.keys(body.values)[0] ?? '';
  }
}

export function createLedger(bounds: OutboxBounds): Ledger {
  /** By device: ids that only its outbox holds. */
  const onlyInOutbox = new Map<string, Set<string>>();
  const acceptedIds = new Set<string>();
  const asked = new Set<string>();
  const answered = new Set<string>();
  const gone = new Set<string>();
  const counts = { appended: 0, answered: 0 };
  let found: Violation | undefined;
  const violate = (rule: Violation['rule'], message: string): void => {
    found ??= { rule, message };
  };
  const held = (device: string): Set<string> => {
    const ids = onlyInOutbox.get(device) ?? new Set();
    onlyInOutbox.set(device, ids);
    return ids;
  };

  return {
    counts,
    appended(device, body) {
      counts.appended++;
      // What may be dropped by rule is counted by the store, and checked there.
      if (body.kind !== 'telemetry') held(device).add(idOf(body));
      if (body.kind === 'escalation') asked.add(body.requestId);
    },
    accepted(device, fresh) {
      for (const { body } of fresh) {
        const id = idOf(body);
        if (acceptedIds.has(id)) violate('NEV2', `op ${id} was accepted as new twice`);
        acceptedIds.add(id);
        held(device).delete(id);
      }
    },
    applied(device, record, ops) {
      for (const { body, position } of ops) {
        record.cursor = Math.max(record.cursor, position);
        if (body.kind !== 'answer') continue;
        const { requestId } = body;
        if (record.applied.has(requestId) || !asked.has(requestId))
          violate('NEV3', `${device} at ${position}: an answer to '${requestId}' too many`);
        record.applied.add(requestId);
        if (!answered.has(requestId)) counts.answered++;
        answered.add(requestId);
      }
    },
    lost(device, outbox) {
      for (const id of held(device)) if (!outbox.has(id)) gone.add(id);
      for (const id of gone) held(device).delete(id);
    },
    check(device, { position, outbox, record }) {
      for (const id of held(device))
        if (!outbox.has(id)) violate('NEV1', `op ${id} left the outbox and is nowhere durable`);
      if (position.ops > bounds.outboxOpsMax || position.bytes > bounds.outboxBytesMax)
        violate('NEV4', `${device}'s outbox holds ${position.ops} ops, ${position.bytes} bytes`);
      if (position.cursor < record.cursor)
        violate('NEV5', `${device} went from ${record.cursor} back to ${position.cursor}`);
      record.cursor = Math.max(record.cursor, position.cursor);
      return found;
    },
    owed: () => [...asked].filter((id) => !answered.has(id) && !gone.has(id)),
    unaccepted: () => [...onlyInOutbox.values()].reduce((sum, ids) => sum + ids.size, 0),
  };
}
