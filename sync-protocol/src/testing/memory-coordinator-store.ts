// A CoordinatorStore whose disk is an object: it outlives the store that holds it, as a disk outlives a process.

import { ok } from '@skerry/shared';
import { encodeBody, opBytes } from '../codec.ts';
import type { DownBody, DownOp } from '../messages.ts';
import type { CoordinatorStore, OpenEscalation, OpenOp } from '../ports.ts';
import { countWithin } from './count-within.ts';

interface DownRow {
  readonly op: DownOp;
  readonly bytes: number;
}

interface DeviceRows {
  /** Highest seq stored, by epoch. */
  readonly ackOf: Map<string, number>;
  lastPosition: number;
  down: readonly DownRow[];
}

export interface MemoryCoordinatorDisk {
  readonly devices: Map<string, DeviceRows>;
  /** By device and request id. */
  readonly open: Map<string, OpenEscalation>;
  /** By id. */
  readonly openOps: Map<number, OpenOp>;
  lastOpId: number;
}

export function createMemoryCoordinatorDisk(): MemoryCoordinatorDisk {
  return { devices: new Map(), open: new Map(), openOps: new Map(), lastOpId: 0 };
}

export function createMemoryCoordinatorStore(disk: MemoryCoordinatorDisk): CoordinatorStore {
  const rowsOf = (device: string): DeviceRows => {
    const known = disk.devices.get(device);
    if (known !== undefined) return known;
    const rows: DeviceRows = { ackOf: new Map(), lastPosition: 0, down: [] };
    disk.devices.set(device, rows);
    return rows;
  };

  const push = (device: string, body: DownBody, nowMs: number): number => {
    const rows = rowsOf(device);
    rows.lastPosition++;
    const op = { position: rows.lastPosition, atMs: nowMs, body };
    rows.down = [...rows.down, { op, bytes: opBytes(body) }];
    return rows.lastPosition;
  };

  return {
    async accept({ device, epoch, cursor, ops }) {
      const rows = rowsOf(device);
      const seen = rows.ackOf.get(epoch) ?? 0;
      const fresh = ops.filter((op) => op.seq > seen);
      for (const { body, atMs } of fresh)
        if (body.kind === 'escalation') disk.open.set(keyOf(device, body), { device, body });
        else if (body.kind !== 'telemetry') {
          const id = ++disk.lastOpId;
          disk.openOps.set(id, { id, device, atMs, body });
        }
      const ack = fresh.at(-1)?.seq ?? seen;
      rows.ackOf.set(epoch, ack);
      rows.down = rows.down.filter(({ op }) => op.position > cursor);
      rows.lastPosition = Math.max(rows.lastPosition, cursor);
      return ok({ fresh, ack });
    },

    async downOpsAfter(device, cursor, opsMax, bytesMax) {
      const waiting = rowsOf(device).down.filter(({ op }) => op.position > cursor);
      const ops = waiting.slice(0, countWithin(waiting, opsMax, bytesMax)).map(({ op }) => op);
      return ok({ ops, more: ops.length < waiting.length });
    },

    async appendDown(device, body, nowMs) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      if (!disk.open.delete(keyOf(device, body))) return ok(undefined);
      return ok(push(device, body, nowMs));
    },

    async append(device, body, nowMs) {
      const encoded = encodeBody(body);
      return encoded.ok ? ok(push(device, body, nowMs)) : encoded;
    },

    async openOps(kind, opsMax) {
      const ops = [...disk.openOps.values()].filter(({ body }) => body.kind === kind);
      return ok(ops.slice(0, opsMax));
    },

    async closeOps(ids) {
      for (const id of ids) disk.openOps.delete(id);
      return ok(undefined);
    },

    async openEscalations(opsMax) {
      return ok([...disk.open.values()].slice(0, opsMax));
    },
  };
}

const keyOf = (device: string, body: { readonly requestId: string }): string =>
  `${device}/${body.requestId}`;
