// The bytes of a bundle, by the cheapest way that works: what already lies here costs nothing, a delta from it little, and
// the whole file is always there to fall back to. Each file is what the manifest says when it leaves this module, and the
// manifest what the assignment says: digests are checked wherever bytes come from.

import type { Manifest, Stage, Variant } from '@skerry/models';
import { manifestBytesMax, parseManifest } from '@skerry/models/node';
import { defined, err, type Failure, ok, type Result } from '@skerry/shared';
import { type BlobRef, storeBytes } from '@skerry/sync-protocol/blobs';
import { type DeviceLimits, judgeFit } from './judge-fit.ts';
import type { ApplyDelta, ModelSlots, SlotFile, UpdateBlobs } from './update-ports.ts';
import type { Goal, Moved, Reason, ReasonCode } from './update-record.ts';

export interface Fetched {
  readonly manifest: Manifest;
  readonly variant: Variant;
  /** What a slot shall hold. */
  readonly files: readonly SlotFile[];
  readonly moved: Moved;
  /** In the blob store, and needed no longer once they lie in a slot. */
  readonly blobs: readonly BlobRef[];
}

/** Why it did not come: `hold` may be tried again as it stands. */
export interface Stop {
  readonly kind: 'hold' | 'fail' | 'refuse';
  readonly reason: Reason;
}

export interface FetchPorts {
  readonly blobs: UpdateBlobs;
  readonly slots: Pick<ModelSlots, 'freeBytes'>;
  readonly applyDelta?: ApplyDelta | undefined;
  readonly sha256: (bytes: Uint8Array) => string;
  readonly limits: DeviceLimits;
  /** Files that lie here already, by digest: of the bundle that runs, and of the other places. */
  readonly bases: ReadonlyMap<string, Uint8Array>;
  readonly incumbent: Manifest;
  readonly signal: AbortSignal;
}

/** Left free for everybody else. */
const reserveBytes = 16 * 1024 * 1024;
/** A blob, and the slot's copy of it. */
const copies = 2;

export async function fetchBundle(goal: Goal, ports: FetchPorts): Promise<Result<Fetched, Stop>> {
  const { bundle } = goal.terms;
  if (bundle.bytes > manifestBytesMax) return refuse('misfit', 'its manifest is too large');
  const first = await fetchWhole(bundle, ports);
  if (!first.ok) return first;
  const manifest = parseManifest(first.value, 'manifest.json');
  if (!manifest.ok) return refuse('misfit', manifest.error.message);
  const variant = judgeFit(manifest.value, goal, ports.incumbent, ports.limits);
  if (!variant.ok) return err({ kind: 'refuse', reason: variant.error });
  const wanted = manifest.value.stages
    .filter(({ side }) => side === 'edge')
    .map((stage: Stage) => defined(variant.value.files[stage.name], `stage ${stage.name}`));
  const room = await reserve(wanted.map(refOf), ports);
  if (!room.ok) return room;
  const files: SlotFile[] = [{ path: 'manifest.json', bytes: first.value }];
  const moved = { bytes: bundle.bytes, fullBytes: bundle.bytes, way: 'full' as Moved['way'] };
  for (const file of wanted) {
    const came = await fetchFile(refOf(file), goal, ports);
    if (!came.ok) return came;
    files.push({ path: file.path, bytes: came.value.bytes });
    moved.bytes += came.value.movedBytes;
    moved.fullBytes += file.bytes;
    if (came.value.byDelta) moved.way = 'delta';
  }
  const deltas = goal.terms.deltas.map(({ blob }) => blob);
  return ok({
    manifest: manifest.value,
    variant: variant.value,
    files,
    moved,
    blobs: [bundle, ...wanted.map(refOf), ...deltas],
  });
}

const refOf = ({ sha256: digest, bytes }: Variant['files'][string]): BlobRef => ({ digest, bytes });

/** Before anything is fetched: what ends half way for want of room has cost the link for nothing. */
async function reserve(
  refs: readonly BlobRef[],
  { slots, blobs, bases }: FetchPorts,
): Promise<Result<void, Stop>> {
  const free = await slots.freeBytes();
  if (!free.ok) return hold(free.error);
  let needed = reserveBytes;
  for (const ref of refs) {
    const held = await blobs.holding(ref.digest);
    const isHere = bases.has(ref.digest) || (held.ok && held.value.kind === 'whole');
    needed += ref.bytes * (isHere ? copies - 1 : copies);
  }
  if (free.value >= needed) return ok(undefined);
  const message = `disk: needs ${needed} bytes, has ${free.value}`;
  return err({ kind: 'hold', reason: { code: 'storage', message } });
}

interface Came {
  readonly bytes: Uint8Array;
  readonly movedBytes: number;
  readonly byDelta: boolean;
}

async function fetchFile(ref: BlobRef, goal: Goal, ports: FetchPorts): Promise<Result<Came, Stop>> {
  const here = ports.bases.get(ref.digest);
  if (here !== undefined) return ok({ bytes: here, movedBytes: 0, byDelta: false });
  const held = await ports.blobs.holding(ref.digest);
  const isWhole = held.ok && held.value.kind === 'whole';
  if (!isWhole) {
    const rebuilt = await fetchDelta(ref, goal, ports);
    if (rebuilt !== undefined) return rebuilt;
  }
  const bytes = await fetchWhole(ref, ports);
  return bytes.ok
    ? ok({ bytes: bytes.value, movedBytes: isWhole ? 0 : ref.bytes, byDelta: false })
    : bytes;
}

/**
 * Undefined: by no delta; each offer is tried once in a try. The base is what its digest says, for every place's files
 * were checked when they were read; the result is checked here.
 */
async function fetchDelta(
  ref: BlobRef,
  { terms }: Goal,
  ports: FetchPorts,
): Promise<Result<Came, Stop> | undefined> {
  const { applyDelta, bases, blobs, sha256, signal } = ports;
  if (applyDelta === undefined) return undefined;
  for (const { base, target, blob } of terms.deltas) {
    const from = base === undefined ? undefined : bases.get(base);
    const isPossible = base === undefined || from !== undefined;
    if (target !== ref.digest || !isPossible || blob.bytes >= ref.bytes) continue;
    const delta = await fetchWhole(blob, ports);
    if (signal.aborted) return abandoned;
    if (!delta.ok) {
      if (delta.error.kind === 'hold') return delta;
      continue;
    }
    const rebuilt = await applyDelta(delta.value, from, signal);
    if (signal.aborted) return abandoned;
    if (!rebuilt.ok || sha256(rebuilt.value) !== ref.digest) continue;
    // As a blob too: a crash before it lies in a slot costs no second fetch.
    const kept = await storeBytes(blobs, ref, rebuilt.value);
    if (!kept.ok) return hold(kept.error);
    return ok({ bytes: rebuilt.value, movedBytes: blob.bytes, byDelta: true });
  }
  return undefined;
}

async function fetchWhole(
  ref: BlobRef,
  { blobs, sha256, signal }: FetchPorts,
): Promise<Result<Uint8Array, Stop>> {
  if (signal.aborted) return abandoned;
  const drop = (): void => blobs.drop(ref);
  signal.addEventListener('abort', drop, { once: true });
  const fetched = await blobs.fetch(ref);
  signal.removeEventListener('abort', drop);
  if (signal.aborted) return abandoned;
  if (!fetched.ok) return stopOf(fetched.error);
  const bytes = await blobs.read(ref.digest, 0, ref.bytes);
  if (!bytes.ok) return stopOf(bytes.error);
  if (sha256(bytes.value) === ref.digest) return ok(bytes.value);
  // It has rotted at rest: away with it, so that the next try fetches it anew.
  await blobs.remove(ref.digest);
  return hold({ message: `${ref.digest} is damaged on this disk` });
}

const abandoned = err<Stop>({
  kind: 'hold',
  reason: { code: 'link', message: 'nobody waits for it any longer' },
});

const hold = ({ message }: Pick<Failure, 'message'>): Result<never, Stop> =>
  err({ kind: 'hold', reason: { code: 'storage', message: message.slice(0, 512) } });

const refuse = (code: ReasonCode, message: string): Result<never, Stop> =>
  err({ kind: 'refuse', reason: { code, message: message.slice(0, 512) } });

/** What the coordinator does not have, or has false, it will not have by itself: this try has failed. */
function stopOf(failure: Failure): Result<never, Stop> {
  if (failure.retryable) return hold(failure);
  return err({ kind: 'fail', reason: { code: 'link', message: failure.message.slice(0, 512) } });
}
