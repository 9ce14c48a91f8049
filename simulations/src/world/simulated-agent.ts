// A simulated device: the production session over a disk that outlives it. Dies, and starts again.

import { type Clock, type Random, silentLog } from '@skerry/shared';
import {
  createSession,
  type DeviceStore,
  type DeviceTransport,
  type Session,
} from '@skerry/sync-protocol';
import { type DeviceDisk, type MemoryPipe, sampleEscalation } from '@skerry/sync-protocol/testing';
import { type CrashPlan, crashingDeviceStore } from './crashing-stores.ts';
import type { DeviceDiskView, Ledger } from './ledger.ts';
import { type Process, startProcess } from './process.ts';

const restartMaxMs = 5_000;

/** Stands between a store and its transport; a planted bug is one of these. */
export type TransportWrapper = (transport: DeviceTransport, store: DeviceStore) => DeviceTransport;

export interface AgentWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly pipe: MemoryPipe;
  readonly ledger: Ledger;
  readonly dies: CrashPlan;
  readonly trace: (line: string) => void;
  readonly wrapTransport: TransportWrapper;
}

export interface SimulatedAgent {
  readonly device: string;
  /** Appends one escalation, if the process lives and its outbox has room. */
  ask(requestId: string): void;
  kill(): void;
  view(): DeviceDiskView;
}

export function startAgent(device: string, disk: DeviceDisk, world: AgentWorld): SimulatedAgent {
  const { clock, random, pipe, ledger, trace } = world;
  let onDisk = disk.open();
  let life: { readonly process: Process; readonly store: DeviceStore; session?: Session };

  const start = (): void => {
    const transport = pipe.connect(device);
    const process = startProcess(clock, () => {
      void transport.close();
      clock.after(random.below(restartMaxMs), () => {
        disk.close();
        onDisk = disk.open();
        trace(`${device} starts again`);
        start();
      });
    });
    const store = crashingDeviceStore(onDisk, process, world.dies, ledger);
    const born: typeof life = { process, store };
    life = born;
    process.enter(() => {
      born.session = createSession({
        store,
        transport: within(process, world.wrapTransport(transport, onDisk)),
        clock: process.clock,
        random,
        log: silentLog,
        effect: () => undefined,
        onApplied: (ops) => trace(`${device} applied ${ops.map((op) => op.position).join()}`),
      });
    });
  };
  start();

  return {
    device,
    ask(requestId) {
      const { process, store, session } = life;
      process.enter(() => {
        const appended = store.append(sampleEscalation(requestId), clock.nowMs());
        trace(`${device} asks ${requestId}: ${appended.ok ? appended.value : appended.error.code}`);
        if (appended.ok) session?.notifyAppended();
      });
    },
    kill() {
      if (!life.process.alive()) return;
      trace(`${device} is killed`);
      life.process.kill();
    },
    view: () => ({
      position: onDisk.position(),
      outboxSeqs: new Set(
        onDisk.unacknowledged(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER).map((op) => op.seq),
      ),
    }),
  };
}

/** The same transport, whose messages reach a living process only. */
function within(process: Process, transport: DeviceTransport): DeviceTransport {
  return {
    ...transport,
    onMessage: (listener) => transport.onMessage((m) => process.enter(() => listener(m))),
    onConnection: (listener) => transport.onConnection((c) => process.enter(() => listener(c))),
  };
}
