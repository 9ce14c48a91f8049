// Updates, composed: what the registry has and offline keys have signed may be rolled out, its deltas lie ready first, and
// what a device is told is signed by the director.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { Signer } from '@skerry/shared/node';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import type { BlobReferences, BlobStore } from '@skerry/sync-protocol/blobs';
import { createDeltas, type DeltasPorts } from './deltas/deltas.ts';
import type { Registry } from './registry/index.ts';
import {
  type AssignmentStore,
  type DeviceDirectory,
  openRollouts,
  type RolloutStore,
  type Rollouts,
} from './rollouts/index.ts';
import { createAssignmentSigner, signedBundles } from './trust/assignment-signer.ts';
import type { TrustRepository } from './trust/repository.ts';

/** Chosen by main.ts. */
export interface UpdatePorts {
  readonly registry: Registry;
  readonly repository: TrustRepository;
  readonly signers: readonly Signer[];
  readonly logs: RolloutStore;
  readonly assignments: AssignmentStore;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  readonly makeDelta: DeltasPorts['makeDelta'];
}

export interface Updates {
  readonly rollouts: Rollouts;
  close(): Promise<void>;
}

const devicesPerPage = 1_000;

export async function openUpdates(
  ports: UpdatePorts,
  fleet: {
    readonly devices: DeviceDirectory;
    readonly ops: Pick<CoordinatorStore, 'openOps' | 'closeOps'>;
    /** A device has something to hear. */
    readonly news: (device: string) => void;
    readonly clock: Clock;
    readonly log: Log;
  },
  turnEveryMs: number,
): Promise<Result<Updates>> {
  const { registry, repository } = ports;
  const deltas = createDeltas({
    ...ports,
    log: fleet.log,
    async manifestOf(model, bundle) {
      const found = await registry.byDigest(model, bundle);
      if (!found.ok) return found;
      return found.value === undefined ? ok(undefined) : registry.manifest(found.value.bundle);
    },
    running: (model) => countRunning(fleet.devices, model),
  });
  const bundles = signedBundles(registry, repository);
  const opened = await openRollouts(
    {
      ...fleet,
      store: ports.logs,
      assignments: announcing(ports.assignments, fleet.news),
      bundles: {
        ...bundles,
        deltasTo: async (model, bundle) => {
          const ready = deltas.offersTo(bundle);
          return ready === undefined ? deltas.prepare(model, bundle) : ok(ready);
        },
      },
      signer: createAssignmentSigner({ ...ports, clock: fleet.clock }),
    },
    { turnEveryMs },
  );
  if (!opened.ok) return opened;
  return ok({
    rollouts: opened.value,
    async close() {
      deltas.close();
      await opened.value.close();
    },
  });
}

function announcing(assignments: AssignmentStore, news: (device: string) => void): AssignmentStore {
  return {
    ...assignments,
    async issue(signed, nowMs) {
      const issued = await assignments.issue(signed, nowMs);
      if (issued.ok) for (const device of issued.value) news(device);
      return issued;
    },
  };
}

async function countRunning(
  devices: DeviceDirectory,
  model: string,
): Promise<Result<ReadonlyMap<string, number>>> {
  const counts = new Map<string, number>();
  for (let after: string | undefined; ; ) {
    const page = await devices.list(devicesPerPage, after);
    if (!page.ok) return page;
    for (const { running } of page.value) {
      const bundle = running[model];
      if (bundle !== undefined) counts.set(bundle, (counts.get(bundle) ?? 0) + 1);
    }
    after = page.value.at(-1)?.device;
    if (page.value.length < devicesPerPage) return ok(counts);
  }
}
