// Learning, composed: who is there to learn, what a run begins from, and where it is written down.

import type { Clock, Log, Result } from '@skerry/shared';
import type { RandomBytes } from '@skerry/shared/privacy';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import type { BlobReferences, BlobStore, DeviceBlobStore } from '@skerry/sync-protocol/blobs';
import type { EventStore } from '../event-log/event-store.ts';
import type { Registry } from '../update/registry/index.ts';
import type { Rollouts } from '../update/rollouts/index.ts';
import { createBaseModels } from './base-models.ts';
import { createCandidates } from './candidates.ts';
import {
  type LearnDevices,
  type LearnRuns,
  openRuns,
  type RoundNumbers,
  type RunsLimits,
  type RunsPorts,
  type TaskStore,
} from './runs/index.ts';

/** Chosen by main.ts. */
/** `masking` where devices have certificates. */
export interface LearningPorts extends Pick<RunsPorts, 'masking'> {
  readonly registry: Registry;
  readonly logs: EventStore;
  readonly tasks: TaskStore;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  readonly blobsOf: (device: string) => DeviceBlobStore;
  readonly chance: RandomBytes;
  readonly numbers: RoundNumbers;
}

export function openLearning(
  ports: LearningPorts,
  fleet: {
    readonly devices: LearnDevices;
    /** Absent: nothing is rolled out here. */
    readonly rollouts: Rollouts | undefined;
    readonly ops: Pick<CoordinatorStore, 'openOps' | 'closeOps' | 'quarantineOp'>;
    readonly written: RunsPorts['written'] & object;
    readonly removed: RunsPorts['removed'] & object;
    /** A device has something to hear. */
    readonly news: (device: string) => void;
    readonly clock: Clock;
    readonly log: Log;
  },
  limits: RunsLimits,
): Promise<Result<LearnRuns>> {
  return openRuns(
    {
      ...ports,
      ...fleet,
      store: ports.logs,
      tasks: announcing(ports.tasks, fleet.news),
      bases: createBaseModels(ports),
      candidates: createCandidates({ ...ports, ...fleet }),
    },
    limits,
  );
}

function announcing(tasks: TaskStore, news: (device: string) => void): TaskStore {
  return {
    async say(device, ...rest) {
      const said = await tasks.say(device, ...rest);
      if (said.ok && said.value) news(device);
      return said;
    },
    forget: tasks.forget,
  };
}
