// A CoordinatorStore whose disk is an object: it outlives the store that holds it, as a disk outlives a process.

import { ok } from '@skerry/shared';
import { encodeBody, opBytes } from '../codec.ts';
import type { DownOp } from '../messages.ts';
import type { CoordinatorStore, OpenEscalation } from '../ports.ts';

interface DeviceRows {
  /** Highest seq stored, by epoch. */
  readonly ackOf: Map<string, number>;
  lastPosition: number;
  down: readonly DownOp[];
}

export interface MemoryCoordinatorDisk {
  readonly devices: Map<string, DeviceRows>;
  /** By device and request id. */
  readonly open: Map<string, OpenEscalation>;
}

export function createMemoryCoordinatorDisk(): MemoryCoordinatorDisk {
  return { devices: new Map(), open: new Map() };
}

export function createMemoryCoordinatorStore(disk: MemoryCoordinatorDisk): CoordinatorStore {
  const rowsOf = (device: string): DeviceRows => {
    const known = disk.devices.get(device);
    if (known !== undefined) return known;
    const rows: DeviceRows = { ackOf: new Map(), lastPosition: 0, down: [] };
    disk.devices.set(device, rows);
    return rows;
  };

  return {
    async accept({ device, epoch, cursor, ops }) {
      const rows = rowsOf(device);
      const seen = rows.ackOf.get(epoch) ?? 0;
      const fresh = ops.filter((op) => op.seq > seen);
      for (const { body } of fresh) disk.open.set(keyOf(device, body), { device, body });
      const ack = fresh.at(-1)?.seq ?? seen;
      rows.ackOf.set(epoch, ack);
      rows.down = rows.down.filter((op) => op.position > cursor);
      rows.lastPosition = Math.max(rows.lastPosition, cursor);
      return ok({ fresh, ack });
    },

    async downOpsAfter(device, cursor, opsMax, bytesMax) {
      const waiting = rowsOf(device).down.filter((op) => op.position > cursor);
      let bytes = 0;
      const end = waiting.findIndex((op, i) => {
        bytes += opBytes(op.body);
        return i >= opsMax || (i > 0 && bytes > bytesMax);
      });
      return ok(
        end === -1 ? { ops: waiting, more: false } : { ops: waiting.slice(0, end), more: true },
      );
    },

    async appendDown(device, body, nowMs) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      if (!disk.open.delete(keyOf(device, body))) return ok(undefined);
      const rows = rowsOf(device);
      rows.lastPosition++;
      rows.down = [...rows.down, { position: rows.lastPosition, atMs: nowMs, body }];
      return ok(rows.lastPosition);
    },

    async openEscalations(opsMax) {
      return ok([...disk.open.values()].slice(0, opsMax));
    },
  };
}

const keyOf = (device: string, body: { readonly requestId: string }): string =>
  `${device}/${body.requestId}`;
