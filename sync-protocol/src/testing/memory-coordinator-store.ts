// A CoordinatorStore whose disk is an object: it outlives the store that holds it, as a disk outlives a process.

import { ok } from '@skerry/shared';
import { encodeBody, opBytes } from '../codec.ts';
import { countWithin } from '../count-within.ts';
import type { Ack, DownBody, DownOp } from '../messages.ts';
import type { CoordinatorStore, OpenEscalation, OpenOp, SuspicionRecord } from '../ports.ts';
import { judge, type Sighting } from '../sighting.ts';
import { epochsOf, markKey, takeOps } from '../take-ops.ts';

interface DownRow {
  readonly op: DownOp;
  readonly bytes: number;
}

interface DeviceRows {
  /** By epoch and lane. */
  readonly marks: Map<string, Ack>;
  readonly epochs: Set<string>;
  sighting: Sighting | undefined;
  readonly suspicions: Map<string, SuspicionRecord>;
  lastPosition: number;
  down: readonly DownRow[];
}

export interface MemoryCoordinatorDisk {
  readonly devices: Map<string, DeviceRows>;
  /** By device and request id. */
  readonly open: Map<string, OpenEscalation>;
  /** By id. */
  readonly openOps: Map<number, OpenOp>;
  readonly quarantine: Map<number, { readonly op: OpenOp; readonly reason: string }>;
  lastOpId: number;
}

export function createMemoryCoordinatorDisk(): MemoryCoordinatorDisk {
  return {
    devices: new Map(),
    open: new Map(),
    openOps: new Map(),
    quarantine: new Map(),
    lastOpId: 0,
  };
}

const quarantineOpsMax = 100;

export function createMemoryCoordinatorStore(disk: MemoryCoordinatorDisk): CoordinatorStore {
  const rowsOf = (device: string): DeviceRows => {
    const known = disk.devices.get(device);
    if (known !== undefined) return known;
    const rows: DeviceRows = {
      marks: new Map(),
      epochs: new Set(),
      sighting: undefined,
      suspicions: new Map(),
      lastPosition: 0,
      down: [],
    };
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
    async accept(exchange, nowMs) {
      const { device, epoch, cursor } = exchange;
      const rows = rowsOf(device);
      const epochs = new Set(epochsOf(exchange));
      const marks = new Map([...rows.marks].filter(([, mark]) => epochs.has(mark.epoch)));
      const { fresh, acks, raised, newEpoch } = takeOps(exchange, marks);
      for (const { body, atMs } of fresh)
        if (body.kind === 'escalation') disk.open.set(keyOf(device, body), { device, body });
        else if (body.kind !== 'telemetry') {
          const id = ++disk.lastOpId;
          disk.openOps.set(id, { id, device, atMs, body });
        }
      for (const mark of raised) rows.marks.set(markKey(mark.epoch, mark.lane), mark);
      const { sighting, suspicion } = judge(rows.sighting, exchange, rows.epochs.has(epoch));
      rows.sighting = sighting;
      if (suspicion !== undefined) {
        const known = rows.suspicions.get(suspicion);
        rows.suspicions.set(suspicion, {
          device,
          kind: suspicion,
          times: (known?.times ?? 0) + 1,
          firstMs: known?.firstMs ?? nowMs,
          lastMs: nowMs,
        });
      }
      rows.epochs.add(epoch);
      rows.down = rows.down.filter(({ op }) => op.position > cursor);
      rows.lastPosition = Math.max(rows.lastPosition, cursor);
      return ok({ fresh, acks, newEpoch, ...(suspicion === undefined ? {} : { suspicion }) });
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

    async openOps(kind, opsMax, after = 0) {
      const ops = [...disk.openOps.values()].filter(
        ({ id, body }) => body.kind === kind && id > after,
      );
      return ok(ops.slice(0, opsMax));
    },

    async closeOps(ids) {
      for (const id of ids) disk.openOps.delete(id);
      return ok(undefined);
    },

    async quarantineOp(id, reason) {
      const op = disk.openOps.get(id);
      if (op === undefined) return ok(undefined);
      disk.openOps.delete(id);
      disk.quarantine.set(id, { op, reason });
      const [oldest] = disk.quarantine.keys();
      if (disk.quarantine.size > quarantineOpsMax && oldest !== undefined)
        disk.quarantine.delete(oldest);
      return ok(undefined);
    },

    async quarantined() {
      return ok(disk.quarantine.size);
    },

    async suspicions(devices) {
      return ok(
        devices.flatMap((device) => [...(disk.devices.get(device)?.suspicions.values() ?? [])]),
      );
    },

    async openEscalations(opsMax) {
      return ok([...disk.open.values()].slice(0, opsMax));
    },
  };
}

const keyOf = (device: string, body: { readonly requestId: string }): string =>
  `${device}/${body.requestId}`;
