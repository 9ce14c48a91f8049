// A run's vectors as blobs: what devices fetch, the strategy's state, what came from clients. A blob is referred to before
// anything durable names it; what the run's state names no more is nobody's.

import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  audiences,
  type BlobRef,
  type BlobReferences,
  type BlobStore,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import { openNoiseKey } from '../privacy/index.ts';
import type { ModelBytes } from './round-numbers.ts';
import type { RoundModel } from './run-event.ts';
import { isActive, type RunState } from './run-state.ts';

export interface ModelBlobsPorts {
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
}

/** Keeps a run's blobs, and shows them to no device. */
export const runOwner = (run: string): string => `learn.${run}`;

/** What a round begins from, durable and referred to. */
export async function storeModel(
  ports: ModelBlobsPorts,
  run: string,
  { parameters, state, control }: ModelBytes,
): Promise<Result<RoundModel>> {
  const told = await storeFor(ports, audiences.learn, parameters);
  if (!told.ok) return told;
  const kept = await storeFor(ports, runOwner(run), state);
  if (!kept.ok) return kept;
  const model = { parameters: told.value, state: kept.value };
  if (control === undefined) return ok(model);
  const variate = await storeFor(ports, audiences.learn, control);
  return variate.ok ? ok({ ...model, control: variate.value }) : variate;
}

/** Durable, and referred to by this owner. */
export async function storeFor(
  { blobs, references }: ModelBlobsPorts,
  owner: string,
  bytes: Uint8Array,
): Promise<Result<BlobRef>> {
  const ref = { digest: sha256(bytes), bytes: bytes.length };
  const referred = await references.add(ref.digest, owner);
  if (!referred.ok) return referred;
  const stored = await storeBytes(blobs, ref, bytes);
  return stored.ok ? ok(ref) : stored;
}

/** All of it, checked. Fails with `not_found`, or with `digest_mismatch` where the disk has changed it. */
export async function readBlob(
  blobs: Pick<BlobStore, 'read'>,
  { digest, bytes }: BlobRef,
): Promise<Result<Uint8Array>> {
  const read = await blobs.read(digest, 0, bytes);
  if (!read.ok || sha256(read.value) === digest) return read;
  return err(failure('digest_mismatch', `blob ${digest} is not what its name says`));
}

/** By digest, all that these runs still need. */
function neededBy(states: readonly RunState[]): {
  readonly told: ReadonlySet<string>;
  readonly kept: ReadonlyMap<string, ReadonlySet<string>>;
} {
  const told = new Set<string>();
  const kept = new Map<string, Set<string>>();
  for (const { plan, model, members, phase, privacy } of states) {
    // Nothing is added any more to a run that has ended.
    const own = new Set(isActive(phase) ? [model.state.digest] : []);
    const { heldOut } = plan;
    if (isActive(phase) && heldOut !== undefined)
      for (const { digest } of [heldOut.images, heldOut.labels]) own.add(digest);
    for (const { progress, given } of members.values()) {
      if (progress.kind === 'trained') own.add(progress.update.digest);
      // There may be a newer model, and it is about to fetch this one.
      if (progress.kind === 'asked')
        for (const ref of [given.parameters, given.control]) if (ref) told.add(ref.digest);
    }
    const noiseKey = privacy && isActive(phase) ? openNoiseKey(privacy.ledger) : undefined;
    if (noiseKey !== undefined) own.add(noiseKey.digest);
    if (phase.kind === 'aggregating' && phase.masked !== undefined) {
      own.add(phase.masked.state.digest);
      for (const { input } of phase.masked.inputs) own.add(input.digest);
    }
    kept.set(plan.id, own);
    // The parameters of a run that has ended are what it was for.
    told.add(model.parameters.digest);
    if (isActive(phase) && model.control !== undefined) told.add(model.control.digest);
  }
  return { told, kept };
}

/** Drops what no run names any more; also what a start before this one had stored and not written down. */
export async function sweepModels(
  { references, blobs }: ModelBlobsPorts,
  states: readonly RunState[],
  /** Runs whose log cannot be read: nobody knows what they still need. */
  aside: ReadonlyMap<string, unknown>,
): Promise<Result<void>> {
  const { told, kept } = neededBy(states);
  const isRunGone = (run: string, digest: string): boolean =>
    !aside.has(run) && !kept.get(run)?.has(digest);
  for (const digest of references.digests())
    for (const owner of references.owners(digest)) {
      const isGone =
        owner === audiences.learn
          ? !told.has(digest)
          : owner.startsWith(runOwner('')) && isRunGone(owner.slice(runOwner('').length), digest);
      const dropped = isGone ? await references.drop(digest, owner) : ok(undefined);
      if (!dropped.ok) return dropped;
    }
  for (const key of states.flatMap(usedNoiseKey)) {
    const removed = await blobs.remove(key.digest);
    if (!removed.ok) return removed;
  }
  return ok(undefined);
}

/** With the key and the model that is out the sum would be there without its noise: the key is not left to be evicted some day. */
function usedNoiseKey({ privacy, phase }: RunState): readonly BlobRef[] {
  const last = privacy?.ledger.last?.noiseKey;
  const isOpen = isActive(phase) && privacy && openNoiseKey(privacy.ledger) !== undefined;
  return last === undefined || isOpen ? [] : [last];
}
