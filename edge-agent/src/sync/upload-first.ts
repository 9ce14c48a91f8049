// An op that names a blob must not reach the coordinator before the blob: it is held here, durably, until the
// coordinator has confirmed the blob, and then moves to the outbox. Held and appended are one transaction each, so a
// crash at any moment leaves the op in one of the two places, once. Other ops may overtake it meanwhile.

import { type Log, ok, type Result } from '@skerry/shared';
import type { DeviceStore, UpBody } from '@skerry/sync-protocol';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { Transfers } from './transfers.ts';

export interface HeldOp {
  readonly id: number;
  readonly atMs: number;
  readonly blob: BlobRef;
  readonly body: UpBody;
}

/** Durable; synchronous, as the DeviceStore beside it. */
export interface HeldOps {
  /** Runs `effect` in the same transaction. Fails as `DeviceStore.append` does, `overloaded` when it is full. */
  hold(op: Omit<HeldOp, 'id'>, effect?: () => void): Result<HeldOp>;
  /** Oldest first. */
  list(): readonly HeldOp[];
  /** Inside the transaction that appends the op. */
  release(id: number): void;
}

export interface UploadFirst {
  /** Holds an op until its blob is confirmed. Durable when it returns. */
  append(body: UpBody, blob: BlobRef, atMs: number, effect?: () => void): Result<void>;
  /** Whether a held op names the blob: it must not be evicted. */
  isReferenced(digest: string): boolean;
}

export interface UploadFirstPorts {
  readonly store: Pick<DeviceStore, 'append'>;
  readonly heldOps: HeldOps;
  readonly transfers: Pick<Transfers, 'send'>;
  readonly log: Log;
  readonly onAppended: () => void;
}

/** Takes up at once what an earlier life has held. */
export function createUploadFirst(ports: UploadFirstPorts): UploadFirst {
  const { store, heldOps, transfers, log } = ports;

  const upload = async (op: HeldOp): Promise<void> => {
    const sent = await transfers.send(op.blob);
    const appended = sent.ok ? store.append(op.body, op.atMs, () => heldOps.release(op.id)) : sent;
    if (appended.ok) ports.onAppended();
    // Still held: the next start takes it up again.
    else
      log.error(
        { code: appended.error.code },
        `an op waits for its blob: ${appended.error.message}`,
      );
  };

  for (const op of heldOps.list()) void upload(op);
  return {
    append(body, blob, atMs, effect) {
      const held = heldOps.hold({ body, blob, atMs }, effect);
      if (!held.ok) return held;
      void upload(held.value);
      return ok(undefined);
    },
    isReferenced: (digest) => heldOps.list().some(({ blob }) => blob.digest === digest),
  };
}
