// A simulated coordinator: the production exchange handler over a disk that outlives it, and a cloud that takes a
// while for each answer. Dies, starts again, and takes up what it still has to answer.

import { assert, type Clock, type Random, silentLog } from '@skerry/shared';
import { createExchangeHandler, serveExchanges } from '@skerry/sync-protocol';
import { type CoordinatorDisk, type MemoryPipe, sampleAnswer } from '@skerry/sync-protocol/testing';
import { type CrashPlan, crashingCoordinatorStore } from './crashing-stores.ts';
import type { Ledger } from './ledger.ts';
import { type Process, startProcess } from './process.ts';

const restartMaxMs = 5_000;
const computeMaxMs = 1_500;
const openEscalationsMax = 1_000_000;

export interface CoordinatorWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly pipe: MemoryPipe;
  readonly ledger: Ledger;
  readonly dies: CrashPlan;
  readonly trace: (line: string) => void;
}

export interface SimulatedCoordinator {
  kill(): void;
}

export async function startCoordinator(
  disk: CoordinatorDisk,
  world: CoordinatorWorld,
): Promise<SimulatedCoordinator> {
  const { clock, random, pipe, ledger, trace } = world;
  let process: Process;

  const start = async (): Promise<void> => {
    const onDisk = await disk.open();
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
    const handler = createExchangeHandler({
      store,
      clock: born.clock,
      onAccepted: (device, fresh) => {
        trace(`the coordinator accepted ${device} ${fresh.map((op) => op.seq).join()}`);
        for (const { body } of fresh)
          if (body.kind === 'escalation') compute(device, body.requestId);
      },
      hint: (device, message) => void transport.send(device, message),
    });
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
  };
}
