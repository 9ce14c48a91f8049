// A simulated coordinator: the production exchange handler over a disk that outlives it, and a cloud that takes a
// while for each answer. Dies, starts again, and takes up what it still has to answer.

import { assert, type Clock, type Random, silentLog } from '@skerry/shared';
import {
  type CoordinatorStore,
  createExchangeHandler,
  serveExchanges,
} from '@skerry/sync-protocol';
import {
  type CoordinatorDisk,
  type MemoryPipe,
  sampleAnswer,
  sampleDocumentChange,
} from '@skerry/sync-protocol/testing';
import { type CrashPlan, crashingCoordinatorStore } from './crashing-stores.ts';
import type { Ledger } from './ledger.ts';
import { type Process, startProcess } from './process.ts';

const restartMaxMs = 5_000;
const computeMaxMs = 1_500;
const openEscalationsMax = 1_000_000;
const opsMax = 1_000;
const pauseMs = 2_000;

export interface CoordinatorWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly pipe: MemoryPipe;
  readonly ledger: Ledger;
  readonly dies: CrashPlan;
  readonly trace: (line: string) => void;
  readonly exchangesMax: number;
  /** A planted bug may be one of these. */
  readonly wrapStore: (store: CoordinatorStore) => CoordinatorStore;
}

export interface SimulatedCoordinator {
  kill(): void;
  /** Has for the device an op that it can never apply. */
  poison(device: string, id: string): void;
  /** Document changes that no consumer has dealt with. */
  openOps(): Promise<number>;
}

export async function startCoordinator(
  disk: CoordinatorDisk,
  world: CoordinatorWorld,
): Promise<SimulatedCoordinator> {
  const { clock, random, pipe, ledger, trace } = world;
  let process: Process;
  let disks: CoordinatorStore;
  let poisons: (device: string, id: string) => void = () => {};

  const start = async (): Promise<void> => {
    const onDisk = world.wrapStore(await disk.open());
    disks = onDisk;
    const transport = pipe.listen();
    const born = startProcess(clock, () => {
      void transport.close();
      clock.after(random.below(restartMaxMs), () => {
        trace('the coordinator starts again');
        void disk.close().then(start);
      });
    });
    process = born;
    const store = crashingCoordinatorStore(onDisk, born, world.dies, ledger);
    const handler = createExchangeHandler(
      {
        store,
        clock: born.clock,
        onAccepted: (device, fresh) => {
          trace(`the coordinator accepted ${device} ${fresh.map((op) => op.seq).join()}`);
          for (const { body } of fresh)
            if (body.kind === 'escalation') compute(device, body.requestId);
          void consume();
        },
        hint: (device, message) => void transport.send(device, message),
      },
      { exchangesMax: world.exchangesMax, pauseMs },
    );
    poisons = (device, id) => {
      if (!born.alive()) return;
      void store
        .append(device, sampleDocumentChange(id), clock.nowMs())
        .then(() => handler.news(device));
    };
    /** Deals with document changes; one in seven it refuses for good. */
    const consume = async (): Promise<void> => {
      const open = await store.openOps('document-change', opsMax);
      if (!open.ok) return;
      for (const { id } of open.value) {
        if (id % 7 === 0) await store.quarantineOp(id, 'refused', clock.nowMs());
        else await store.closeOps([id]);
      }
    };
    const compute = (device: string, requestId: string): void => {
      born.clock.after(random.below(computeMaxMs), () => void answer(device, requestId));
    };
    const answer = async (device: string, requestId: string): Promise<void> => {
      const appended = await store.appendDown(device, sampleAnswer(requestId), clock.nowMs());
      if (appended.ok && appended.value !== undefined) handler.news(device);
    };
    const takeUp = async (): Promise<void> => {
      const open = await store.openEscalations(openEscalationsMax);
      assert(open.ok, 'the simulated disk can be read');
      for (const { device, body } of open.value) compute(device, body.requestId);
    };
    void consume();
    serveExchanges(transport, handler, silentLog);
    void takeUp(); // Not awaited: the process may die in it, and a dead process' calls never return.
  };
  await start();

  return {
    kill() {
      if (!process.alive()) return;
      trace('the coordinator is killed');
      process.kill();
    },
    poison: (device, id) => poisons(device, id),
    async openOps() {
      const open = await disks.openOps('document-change', opsMax);
      return open.ok ? open.value.length : 0;
    },
  };
}
