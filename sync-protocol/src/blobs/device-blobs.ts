// The blobs that one device sees: those it has put itself, and those that something addressed to it, to its site or to
// the fleet refers to. Any other is for it as if it were not there: it cannot tell, and what it puts it must send
// whole, even if the bytes lie here already, for to know a digest is not to have the bytes. [BLA1–BLA4]
//
// A claim is durable and says: this device has put, or is putting, this blob. It keeps nobody from evicting it.

import { err, failure, ok, type Result } from '@skerry/shared';
import { allMissing, isMissing, markPresent, missingCount } from './bitmap.ts';
import { type BlobRef, chunkCount, chunkSpan } from './blob.ts';
import type { BlobReferences, BlobStore } from './blob-store.ts';
import { type BlobBounds, planEviction } from './plan-eviction.ts';

/** What a device may do with blobs. */
export type DeviceBlobStore = Pick<BlobStore, 'holding' | 'read' | 'write' | 'finish'>;

export interface DeviceBlobsPorts {
  readonly store: BlobStore;
  readonly references: Pick<BlobReferences, 'has' | 'owners'>;
  /** Their owners are devices. */
  readonly claims: BlobReferences;
  /** The site that a device is certified for. */
  readonly siteOf: (device: string) => Promise<string | undefined>;
  /** Owners that are no audience of all, whose blobs a device sees. */
  readonly audiencesOf?: (device: string) => readonly string[];
  readonly nowMs: () => number;
}

/** Whom a reference lets see its blob: the owner's name says it. Any other owner keeps a blob and shows it to nobody. */
export const audiences = {
  device: (device: string): string => `device.${device}`,
  site: (site: string): string => `site.${site}`,
  fleet: 'fleet',
  /** For all devices too: what they run, the ways to it, and by what they trust it. */
  models: 'models',
  deltas: 'deltas',
  metadata: 'metadata',
  /** The model of a round of learning, which whoever is asked begins from. */
  learn: 'learn',
} as const;

/** A device that is sending what another has put. */
interface Proof {
  readonly bytes: number;
  readonly missing: Uint8Array;
}

/** Under way at once; the one that was left alone longest begins anew. */
const proofsMax = 256;
/** Another device is putting the same blob just now; without a chunk for so long it has given up. */
const idleMs = 60_000;
const retryAfterMs = 5_000;

/** `bounds`: of what one device has put. */
export function createDeviceBlobs(
  { store, references, claims, siteOf, audiencesOf, nowMs }: DeviceBlobsPorts,
  bounds: BlobBounds,
): (device: string) => DeviceBlobStore {
  const proofs = new Map<string, Proof>();

  const isAddressed = async (digest: string, device: string): Promise<boolean> => {
    const owners = references.owners(digest);
    const { fleet, models, deltas, metadata, learn } = audiences;
    const forThis = [fleet, models, deltas, metadata, learn, audiences.device(device)];
    if (forThis.some((owner) => owners.includes(owner))) return true;
    if (audiencesOf?.(device).some((owner) => owners.includes(owner))) return true;
    if (!owners.some((owner) => owner.startsWith(audiences.site('')))) return false;
    const site = await siteOf(device);
    return site !== undefined && owners.includes(audiences.site(site));
  };
  const sees = async (digest: string, device: string): Promise<boolean> =>
    claims.owners(digest).includes(device) || isAddressed(digest, device);

  /** Room among what the device has put, by the rules of any store; then the claim. */
  const claim = async (ref: BlobRef, device: string): Promise<Result<void>> => {
    if (ref.bytes > bounds.quotaBytesMax)
      return err(failure('too_large', `${ref.bytes} bytes, the quota is ${bounds.quotaBytesMax}`));
    const held = await store.list();
    if (!held.ok) return held;
    const own = held.value.filter(({ digest }) => claims.owners(digest).includes(device));
    const evicted = planEviction(own, ref.bytes, references.has, nowMs(), bounds);
    if (evicted === undefined)
      return err(failure('overloaded', `no room for ${ref.bytes} bytes more of ${device}`));
    for (const { digest } of evicted) {
      const dropped = await claims.drop(digest, device);
      if (!dropped.ok) return dropped;
      const removed = claims.has(digest) ? ok(undefined) : await store.remove(digest);
      if (!removed.ok) return removed;
    }
    return claims.add(ref.digest, device);
  };

  const begin = async (
    device: string,
    ref: BlobRef,
    index: number,
    chunk: Uint8Array,
  ): Promise<Result<void>> => {
    // Of those who had put it before it was evicted: they send it again like anybody.
    for (const owner of claims.owners(ref.digest)) await claims.drop(ref.digest, owner);
    const claimed = await claim(ref, device);
    if (!claimed.ok) return claimed;
    const written = await store.write(ref, index, chunk);
    if (!written.ok) await claims.drop(ref.digest, device);
    return written;
  };

  /** `heldBytes` are here: has the device them too? Another size is refused as other bytes are, and so tells nothing. */
  const prove = async (
    device: string,
    ref: BlobRef,
    heldBytes: number,
    index: number,
    chunk: Uint8Array,
  ): Promise<Result<void>> => {
    const span = ref.bytes === heldBytes ? chunkSpan(heldBytes, index) : undefined;
    const known = span && (await store.read(ref.digest, span.offset, span.length));
    if (!known?.ok || !isEqual(known.value, chunk))
      return err(failure('digest_mismatch', `chunk ${index} is not of that blob`));
    const key = `${device} ${ref.digest}`;
    const begun = proofs.get(key);
    const proof =
      begun?.bytes === heldBytes
        ? begun
        : { bytes: heldBytes, missing: allMissing(chunkCount(heldBytes)) };
    proofs.delete(key);
    if (isMissing(proof.missing, index)) markPresent(proof.missing, index);
    if (missingCount(proof.missing) === 0) return claim(ref, device);
    proofs.set(key, proof);
    const [oldest] = proofs.keys();
    if (proofs.size > proofsMax && oldest !== undefined) proofs.delete(oldest);
    return ok(undefined);
  };

  /** A partial blob of another's gives way once it is left alone. */
  const isAbandoned = async (digest: string): Promise<Result<boolean>> => {
    if (!claims.has(digest)) return ok(true);
    const held = await store.list();
    if (!held.ok) return held;
    const usedAtMs = held.value.find((blob) => blob.digest === digest)?.usedAtMs ?? 0;
    return ok(nowMs() - usedAtMs >= idleMs);
  };

  return (device) => ({
    async holding(digest) {
      if (await sees(digest, device)) return store.holding(digest);
      const proof = proofs.get(`${device} ${digest}`);
      return ok(
        proof === undefined
          ? { kind: 'none' }
          : { kind: 'partial', bytes: proof.bytes, missing: proof.missing.slice() },
      );
    },

    async read(digest, offset, length) {
      return (await sees(digest, device))
        ? store.read(digest, offset, length)
        : err(failure('not_found', `no whole blob ${digest}`));
    },

    async write(ref, index, chunk) {
      const held = await store.holding(ref.digest);
      if (!held.ok) return held;
      if (held.value.kind === 'none') return begin(device, ref, index, chunk);
      if (await sees(ref.digest, device)) return store.write(ref, index, chunk);
      if (held.value.kind === 'whole') return prove(device, ref, held.value.bytes, index, chunk);
      const abandoned = await isAbandoned(ref.digest);
      if (!abandoned.ok) return abandoned;
      if (!abandoned.value)
        return err(failure('overloaded', 'it is being put just now', { retryAfterMs }));
      const removed = await store.remove(ref.digest);
      return removed.ok ? begin(device, ref, index, chunk) : removed;
    },

    async finish(digest) {
      if (!(await sees(digest, device)))
        return err(failure('invalid_argument', 'chunks are missing'));
      const finished = await store.finish(digest);
      // Of a false one nothing is kept.
      if (!finished.ok && finished.error.code === 'digest_mismatch')
        await claims.drop(digest, device);
      return finished;
    },
  });
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

/** Of what is not here any more, claims are forgotten. */
export async function forgetClaims(
  store: Pick<BlobStore, 'list'>,
  claims: BlobReferences,
): Promise<Result<void>> {
  const held = await store.list();
  if (!held.ok) return held;
  const there = new Set(held.value.map(({ digest }) => digest));
  for (const digest of claims.digests().filter((each) => !there.has(each)))
    for (const owner of claims.owners(digest)) {
      const dropped = await claims.drop(digest, owner);
      if (!dropped.ok) return dropped;
    }
  return ok(undefined);
}
