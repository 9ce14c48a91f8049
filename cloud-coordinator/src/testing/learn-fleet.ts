// Devices that learn, and a coordinator's view of them, in memory: ports for `openRuns`, with time that a test moves.

import { createRandom, ok, type Random, silentLog } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import type { DownBody } from '@skerry/sync-protocol';
import { createNodeCryptography } from '@skerry/sync-protocol/node';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createVirtualClock,
} from '@skerry/sync-protocol/testing';
import { numbersHere } from '../learn/runs/round-numbers.ts';
import type { RunsPorts } from '../learn/runs/runs.ts';
import { type LearnDevicesOptions, type PlayedDevices, playDevices } from './learn-devices.ts';
import { createMemoryEventStore, createMemoryRolloutDisk } from './memory-rollout-stores.ts';
import { createMemoryTaskStore, type MemoryTaskDisk } from './memory-task-store.ts';

export interface LearnFleet extends PlayedDevices {
  readonly ports: RunsPorts;
  readonly clock: ReturnType<typeof createVirtualClock>;
  readonly blobs: RunsPorts['blobs'];
  /** All that waits for a device, since it was first heard. */
  waiting(device: string): Promise<readonly DownBody[]>;
}

/** Of all worlds that tests play. */
export const learnStartMs = 1_750_000_000_000;

export function createLearnFleet(options: LearnDevicesOptions): LearnFleet {
  const clock = createVirtualClock(learnStartMs);
  const chance = createRandom((options.seed ?? 1) + 1);
  const ops = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  const references = createMemoryBlobReferences();
  const blobs = createMemoryBlobStore();
  const tasks: MemoryTaskDisk = new Map();
  const devices = playDevices(options, { ops, blobs, nowMs: clock.nowMs });
  return {
    ...devices,
    clock,
    blobs,
    ports: {
      store: createMemoryEventStore(createMemoryRolloutDisk()),
      tasks: createMemoryTaskStore(tasks, ops),
      ops,
      blobs,
      references,
      blobsOf: () => blobs,
      devices: { list: devices.described },
      chance: { fill: (into) => void fillRandom(into, chance) },
      bases: {
        open: async () => ok(devices.base),
        describe: async () => ok({ ...devices.base, labels: ['a', 'b', 'c'] }),
      },
      numbers: numbersHere(createNodeCryptography()),
      clock,
      log: silentLog,
    },
    async waiting(device) {
      const { ops: down } = unwrap(await ops.downOpsAfter(device, 0, 1_000, 1e7));
      return down.map(({ body }) => body);
    },
  };
}

function fillRandom(into: Uint8Array, random: Random): void {
  for (let i = 0; i < into.length; i++) into[i] = random.below(256);
}
