// Updates, composed: what the registry has and offline keys have signed may be rolled out, its deltas lie ready first, and
// what a device is told is signed by the director.

import { type Clock, type Log, ok, type Result, sleep } from '@skerry/shared';
import type { Signer } from '@skerry/shared/node';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import { audiences, type BlobReferences, type BlobStore } from '@skerry/sync-protocol/blobs';
import type { EventStore } from '../event-log/event-store.ts';
import type { Removed } from '../event-log/retention.ts';
import { createDeltas, type DeltasPorts } from './deltas/deltas.ts';
import type { Registry } from './registry/index.ts';
import {
  type AssignmentStore,
  type DeviceDirectory,
  openRollouts,
  type Phase,
  type Rollouts,
  type RolloutsLimits,
} from './rollouts/index.ts';
import { createAssignmentSigner, signedBundles } from './trust/assignment-signer.ts';
import type { TrustRepository } from './trust/repository.ts';

/** Chosen by main.ts. */
export interface UpdatePorts {
  readonly registry: Registry;
  readonly repository: TrustRepository;
  readonly signers: readonly Signer[];
  readonly logs: EventStore;
  readonly assignments: AssignmentStore;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  readonly openDeltaMaker: DeltasPorts['openDeltaMaker'];
}

export interface Updates {
  readonly rollouts: Rollouts;
  close(): Promise<void>;
}

const underWay: ReadonlySet<Phase['kind']> = new Set(['awaiting-approval', 'running', 'paused']);
const devicesPerPage = 1_000;
/** Whoever begins a rollout waits for its deltas so long; what is not ready then comes to those who are told later. */
const prepareMsMax = 20_000;

export async function openUpdates(
  ports: UpdatePorts,
  fleet: {
    readonly devices: DeviceDirectory;
    readonly ops: Pick<CoordinatorStore, 'openOps' | 'closeOps' | 'quarantineOp'>;
    /** A device has something to hear. */
    readonly news: (device: string) => void;
    readonly removed: Removed;
    readonly clock: Clock;
    readonly log: Log;
  },
  limits: RolloutsLimits,
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
        deltasTo: async (_, bundle) => ok(deltas.offersTo(bundle)),
      },
      signer: createAssignmentSigner({ ...ports, clock: fleet.clock }),
    },
    limits,
  );
  if (!opened.ok) return opened;
  const rollouts = opened.value;
  await forgetDeltas(ports.references, fleet.log);
  // What a start before this one had ready is made anew; whoever is told meanwhile fetches the whole file.
  for (const { plan, candidate, phase } of rollouts.list())
    if (underWay.has(phase.kind)) void deltas.prepare(plan.model, candidate.bundle.digest);
  return ok({
    rollouts: {
      ...rollouts,
      async create(plan, by) {
        const found = await bundles.resolve(plan.model, plan.version);
        if (!found.ok) return found;
        const preparing = deltas.prepare(plan.model, found.value.bundle.digest);
        await Promise.race([preparing, sleep(fleet.clock, prepareMsMax)]);
        return rollouts.create(plan, by);
      },
    },
    async close() {
      deltas.close();
      await rollouts.close();
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

/** Of earlier starts: nobody knows any more what they lead to. */
async function forgetDeltas(references: BlobReferences, log: Log): Promise<void> {
  for (const digest of references.digests()) {
    if (!references.owners(digest).includes(audiences.deltas)) continue;
    const dropped = await references.drop(digest, audiences.deltas);
    if (!dropped.ok) log.error({ digest, code: dropped.error.code }, dropped.error.message);
  }
}
