// A DeviceStore whose disk is an object: it outlives the store that holds it, as a disk outlives a process.

import { err, failure, ok } from '@skerry/shared';
import { encodeBody, opBytes } from '../codec.ts';
import type { UpOp } from '../messages.ts';
import type { DeviceStore } from '../ports.ts';
import { countWithin } from './count-within.ts';

export interface OutboxBounds {
  readonly outboxOpsMax: number;
  readonly outboxBytesMax: number;
}

interface Row {
  readonly op: UpOp;
  readonly bytes: number;
}

export interface MemoryDeviceDisk {
  readonly device: string;
  readonly epoch: string;
  lastSeq: number;
  cursor: number;
  outbox: readonly Row[];
}

export function createMemoryDeviceDisk(device: string, epoch: string): MemoryDeviceDisk {
  return { device, epoch, lastSeq: 0, cursor: 0, outbox: [] };
}

const defaultBounds: OutboxBounds = { outboxOpsMax: 10_000, outboxBytesMax: 64 * 1024 * 1024 };

export function createMemoryDeviceStore(
  disk: MemoryDeviceDisk,
  bounds: OutboxBounds = defaultBounds,
): DeviceStore {
  const heldBytes = (): number => disk.outbox.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    position: () => ({
      device: disk.device,
      epoch: disk.epoch,
      cursor: disk.cursor,
      ops: disk.outbox.length,
      bytes: heldBytes(),
    }),

    append(body, atMs, effect) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      const bytes = opBytes(body);
      if (disk.outbox.length >= bounds.outboxOpsMax || heldBytes() + bytes > bounds.outboxBytesMax)
        return err(failure('overloaded', `the outbox holds ${disk.outbox.length} ops`));
      effect?.(); // Before the first change: when it throws there is nothing to undo.
      disk.lastSeq++;
      disk.outbox = [...disk.outbox, { op: { seq: disk.lastSeq, atMs, body }, bytes }];
      return ok(disk.lastSeq);
    },

    unacknowledged(opsMax, bytesMax) {
      return disk.outbox.slice(0, countWithin(disk.outbox, opsMax, bytesMax)).map(({ op }) => op);
    },

    apply(reply, effect) {
      if (reply.epoch !== disk.epoch) return ok([]);
      const fresh = reply.ops.filter((op) => op.position > disk.cursor);
      for (const op of fresh) effect(op);
      disk.outbox = disk.outbox.filter(({ op }) => op.seq > reply.ack);
      disk.cursor = fresh.at(-1)?.position ?? disk.cursor;
      return ok(fresh);
    },
  };
}
