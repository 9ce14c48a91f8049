// A simulated device: the production session over a disk that outlives it. Dies, and starts again; its disk may be put
// back to an older state, or another disk by the same name may take its turn.

import { type Clock, type Random, silentLog } from '@skerry/shared';
import {
  createSession,
  type DeviceStore,
  type DeviceTransport,
  type Session,
  type UpBody,
} from '@skerry/sync-protocol';
import {
  type MemoryPipe,
  sampleDocumentChange,
  sampleEscalation,
  sampleTelemetry,
} from '@skerry/sync-protocol/testing';
import { type CrashPlan, crashingDeviceStore } from './crashing-stores.ts';
import {
  copyRecord,
  type DeviceDiskView,
  type DiskRecord,
  idOf,
  type Ledger,
  newRecord,
} from './ledger.ts';
import { type Process, startProcess } from './process.ts';

const restartMaxMs = 5_000;

/** Stands between a store and its transport; a planted bug may be one of these. */
export type TransportWrapper = (transport: DeviceTransport, store: DeviceStore) => DeviceTransport;

/** A disk that can be copied while it is open. */
export interface CopyableDisk {
  open(): DeviceStore;
  close(): void;
  copy(): CopyableDisk;
}

export interface AgentWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly pipe: MemoryPipe;
  readonly ledger: Ledger;
  readonly dies: CrashPlan;
  readonly isFull: (device: string) => boolean;
  /** What the device's clock is ahead of the world's. */
  readonly skewMs: (device: string) => number;
  readonly trace: (line: string) => void;
  readonly wrapTransport: TransportWrapper;
}

export interface SimulatedAgent {
  readonly device: string;
  /** Appends one op, if the process lives and its outbox has room. */
  say(id: string): void;
  kill(): void;
  backUp(): void;
  restore(): void;
  swapClone(): void;
  /** No disk but the present one will ever run again. */
  retireClone(): void;
  view(): DeviceDiskView;
}

interface Disk {
  readonly bytes: CopyableDisk;
  readonly record: DiskRecord;
}

const copyOf = ({ bytes, record }: Disk): Disk => ({
  bytes: bytes.copy(),
  record: copyRecord(record),
});

export function startAgent(device: string, blank: CopyableDisk, world: AgentWorld): SimulatedAgent {
  const { clock, random, pipe, ledger, trace } = world;
  let disk: Disk = { bytes: blank, record: newRecord() };
  let onDisk = disk.bytes.open();
  let backup: Disk | undefined;
  let parked: { readonly disk: Disk; readonly outbox: ReadonlySet<string> } | undefined;
  let life: { readonly process: Process; readonly store: DeviceStore; session?: Session };

  const start = (): void => {
    const transport = pipe.connect(device);
    const { record } = disk;
    const process = startProcess(
      { ...clock, nowMs: () => clock.nowMs() + world.skewMs(device) },
      () => {
        void transport.close();
        clock.after(random.below(restartMaxMs), () => {
          disk.bytes.close();
          onDisk = disk.bytes.open();
          trace(`${device} starts again`);
          start();
        });
      },
    );
    const store = crashingDeviceStore(onDisk, process, {
      dies: world.dies,
      ledger,
      record,
      isFull: () => world.isFull(device),
    });
    const born: typeof life = { process, store };
    life = born;
    process.enter(() => {
      born.session = createSession({
        store,
        transport: within(process, world.wrapTransport(transport, onDisk)),
        clock: process.clock,
        random,
        log: silentLog,
        effect({ body }) {
          if (body.kind === 'document-change') throw new Error('poison');
        },
        onApplied: (ops) => trace(`${device} applied ${ops.map((op) => op.position).join()}`),
      });
    });
  };
  start();

  const kill = (): void => {
    if (!life.process.alive()) return;
    trace(`${device} is killed`);
    life.process.kill();
  };
  const outbox = (): Set<string> =>
    new Set(
      onDisk
        .unacknowledged(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
        .map(({ body }) => idOf(body)),
    );
  /** The dead process' disk gives way to another. */
  const put = (other: Disk): void => {
    disk.bytes.close();
    disk = other;
    onDisk = disk.bytes.open();
  };
  const all = (): Set<string> => new Set([...outbox(), ...(parked?.outbox ?? [])]);

  return {
    device,
    kill,
    say(id) {
      const { process, store, session } = life;
      process.enter(() => {
        const appended = store.append(bodyOf(id), process.clock.nowMs());
        trace(`${device} says ${id}: ${appended.ok ? appended.value : appended.error.code}`);
        if (appended.ok) session?.notifyAppended();
      });
    },
    backUp() {
      backup = copyOf(disk);
    },
    restore() {
      if (backup === undefined) return;
      kill();
      put(copyOf(backup));
      ledger.lost(device, all());
      trace(`${device}'s disk is what it was`);
    },
    swapClone() {
      const next = parked?.disk ?? (backup && copyOf(backup));
      if (next === undefined) return;
      kill();
      parked = { disk, outbox: outbox() };
      put(next);
      trace(`another disk runs as ${device}`);
    },
    retireClone() {
      parked = undefined;
      backup = undefined;
      ledger.lost(device, all());
    },
    view: () => ({ position: onDisk.position(), outbox: all(), record: disk.record }),
  };
}

function bodyOf(id: string): UpBody {
  if (id.startsWith('document')) return sampleDocumentChange(id);
  if (id.startsWith('telemetry')) return { ...sampleTelemetry(), values: { [id]: 1 } };
  return sampleEscalation(id);
}

/** The same transport, whose messages reach a living process only. */
function within(process: Process, transport: DeviceTransport): DeviceTransport {
  return {
    ...transport,
    onMessage: (listener) => transport.onMessage((m) => process.enter(() => listener(m))),
    onConnection: (listener) => transport.onConnection((c) => process.enter(() => listener(c))),
  };
}
