// A DeviceStore whose disk is an object: it outlives the store that holds it, as a disk outlives a process.

import { err, failure, ok } from '@skerry/shared';
import { encodeBody, opBytes } from '../codec.ts';
import type { UpOp } from '../messages.ts';
import type { DeviceStore } from '../ports.ts';

export interface OutboxBounds {
  readonly outboxOpsMax: number;
  readonly outboxBytesMax: number;
}

export interface MemoryDeviceDisk {
  readonly device: string;
  readonly epoch: string;
  lastSeq: number;
  cursor: number;
  outbox: readonly UpOp[];
  bytes: number;
}

export function createMemoryDeviceDisk(device: string, epoch: string): MemoryDeviceDisk {
  return { device, epoch, lastSeq: 0, cursor: 0, outbox: [], bytes: 0 };
}

const defaultBounds: OutboxBounds = { outboxOpsMax: 10_000, outboxBytesMax: 64 * 1024 * 1024 };

export function createMemoryDeviceStore(
  disk: MemoryDeviceDisk,
  bounds: OutboxBounds = defaultBounds,
): DeviceStore {
  return {
    position: () => ({
      device: disk.device,
      epoch: disk.epoch,
      cursor: disk.cursor,
      ops: disk.outbox.length,
      bytes: disk.bytes,
    }),

    append(body, atMs, effect) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      const bytes = disk.bytes + opBytes(body);
      if (disk.outbox.length >= bounds.outboxOpsMax || bytes > bounds.outboxBytesMax)
        return err(failure('overloaded', `the outbox holds ${disk.outbox.length} ops`));
      effect?.(); // Before the first change: when it throws there is nothing to undo.
      disk.lastSeq++;
      disk.bytes = bytes;
      disk.outbox = [...disk.outbox, { seq: disk.lastSeq, atMs, body }];
      return ok(disk.lastSeq);
    },

    unacknowledged(opsMax, bytesMax) {
      let bytes = 0;
      const end = disk.outbox.findIndex((op, i) => {
        bytes += opBytes(op.body);
        return i >= opsMax || (i > 0 && bytes > bytesMax);
      });
      return end === -1 ? disk.outbox : disk.outbox.slice(0, end);
    },

    apply(reply, effect) {
      if (reply.epoch !== disk.epoch) return ok([]);
      const fresh = reply.ops.filter((op) => op.position > disk.cursor);
      for (const op of fresh) effect(op);
      disk.outbox = disk.outbox.filter((op) => op.seq > reply.ack);
      disk.bytes = disk.outbox.reduce((sum, op) => sum + opBytes(op.body), 0);
      disk.cursor = fresh.at(-1)?.position ?? disk.cursor;
      return ok(fresh);
    },
  };
}
