// What the device has accepted, as it lies on its disk, with the root that ships with the device behind it; and what it
// knows beside the metadata: a floor of time, which roots it once trusted, and which releases it has confirmed.

import { nameSchema, ok, type Result } from '@skerry/shared';
import { instantMs, sha256 } from '@skerry/shared/node';
import { z } from 'zod';
import { type MetadataFiles, readRoot, readTimestamp } from './accepted-metadata.ts';
import { directorOf, namesOf } from './director-role.ts';
import { type Lineage, lineageFrom } from './root-lineage.ts';
import { attested, noTimeFloor, signed, type TimeFloor, timeFloorSchema } from './time-floor.ts';

/** As the repository writes it in its timestamp (decision 0060). */
const signedAtField = 'x-skerry-signed-at';
const rootsMax = 512;

const trustStateSchema = z.strictObject({
  floor: timeFloorSchema,
  /** The digests of roots that were once trusted, the latest last: they vouch for evidence. */
  roots: z.array(z.string()).max(rootsMax),
  /** By model, the highest release counter that was confirmed here. */
  releases: z.record(nameSchema, z.int().nonnegative()).default({}),
  /** By collection, the highest sequence that was taken here. */
  collections: z.record(nameSchema, z.int().nonnegative()).default({}),
});
export type TrustState = z.infer<typeof trustStateSchema>;

/** Where the accepted metadata lies; a save is there as a whole or not at all. */
export interface TrustFiles {
  load(): Promise<Result<MetadataFiles>>;
  save(name: string, bytes: Uint8Array): Promise<Result<void>>;
  loadState(): Promise<Result<unknown>>;
  saveState(state: TrustState): Promise<Result<void>>;
  loadLineage(): Promise<Result<unknown>>;
  saveLineage(lineage: Lineage): Promise<Result<void>>;
}

export interface TrustDisk {
  /** `accepted` is what is on the disk, with a root to begin with. */
  load(): Promise<Result<Accepted>>;
  saveState(state: TrustState): Promise<Result<void>>;
  /** What differs, root first, and then what it says about time. */
  saveAccepted(onDisk: MetadataFiles, accepted: MetadataFiles): Promise<Result<TrustState>>;
  /** Empty where it is lost: it can be had again. */
  lineage(): Promise<Lineage>;
  saveLineage(lineage: Lineage): Promise<Result<void>>;
}

export interface Accepted {
  readonly onDisk: MetadataFiles;
  readonly accepted: MetadataFiles;
  readonly state: TrustState;
}

export function createTrustDisk(files: TrustFiles, trustedRoot: Uint8Array | undefined): TrustDisk {
  /** With the device's own root where the disk's is lost, damaged or older. */
  const withRoot = (loaded: Result<MetadataFiles>): Result<MetadataFiles> => {
    if (!loaded.ok || trustedRoot === undefined) return loaded;
    const own = readRoot(trustedRoot);
    if (!own.ok) return own;
    const kept = readRoot(loaded.value.get('root.json') ?? new Uint8Array());
    const keep = kept.ok && kept.value.signed.version >= own.value.signed.version;
    return keep ? loaded : ok(new Map([...loaded.value, ['root.json', trustedRoot]]));
  };

  const loadState = async (): Promise<Result<TrustState>> => {
    const loaded = await files.loadState();
    if (!loaded.ok) return loaded;
    const parsed = trustStateSchema.safeParse(loaded.value);
    return ok(
      parsed.success
        ? parsed.data
        : { floor: noTimeFloor, roots: [], releases: {}, collections: {} },
    );
  };

  const load = async (): Promise<Result<Accepted>> => {
    const onDisk = await files.load();
    if (!onDisk.ok) return onDisk;
    const accepted = withRoot(onDisk);
    if (!accepted.ok) return accepted;
    const state = await loadState();
    return state.ok
      ? ok({ onDisk: onDisk.value, accepted: accepted.value, state: state.value })
      : state;
  };

  const saveAccepted = async (
    onDisk: MetadataFiles,
    accepted: MetadataFiles,
  ): Promise<Result<TrustState>> => {
    // Root first: what it signs is worth nothing without it.
    const names = [...accepted.keys()].sort((a, b) => rank(a) - rank(b));
    for (const name of names) {
      const bytes = accepted.get(name) as Uint8Array;
      const old = onDisk.get(name);
      if (old !== undefined && Buffer.from(old).equals(bytes)) continue;
      const saved = await files.save(name, bytes);
      if (!saved.ok) return saved;
    }
    const state = await loadState();
    if (!state.ok) return state;
    const next = withSigned(state.value, accepted);
    const saved = await files.saveState(next);
    return saved.ok ? ok(next) : saved;
  };

  const lineage = async (): Promise<Lineage> => {
    const loaded = await files.loadLineage();
    return lineageFrom(loaded.ok ? loaded.value : undefined);
  };

  return {
    load,
    saveAccepted,
    saveState: files.saveState,
    lineage,
    saveLineage: files.saveLineage,
  };
}

const rank = (name: string): number => {
  const at = ['root.json', 'timestamp.json', 'snapshot.json', 'targets.json'].indexOf(name);
  return at === -1 ? Number.POSITIVE_INFINITY : at;
};

/** With the root that is trusted now, and the time that its timestamp role has signed. */
function withSigned(state: TrustState, accepted: MetadataFiles): TrustState {
  const root = accepted.get('root.json');
  const digest = root === undefined ? undefined : sha256(root);
  const roots =
    digest === undefined || state.roots.includes(digest)
      ? state.roots
      : [...state.roots, digest].slice(-rootsMax);
  return { ...state, roots, floor: signedFloor(state.floor, accepted) };
}

function signedFloor(before: TimeFloor, accepted: MetadataFiles): TimeFloor {
  const director = directorOf(accepted);
  const isRevoked = director.ok && director.value.names !== before.attestedBy;
  const floor = isRevoked ? attested(before, 0, director.value.names) : before;
  const timestamp = readTimestamp(accepted);
  const root = readRoot(accepted.get('root.json') ?? new Uint8Array());
  if (!timestamp.ok || !root.ok) return floor;
  const said = timestamp.value.signed.unrecognizedFields[signedAtField];
  const atMs = typeof said === 'string' ? instantMs(said) : Number.NaN;
  // Nobody says at a time that what they say has expired.
  if (!(atMs < instantMs(timestamp.value.signed.expires))) return floor;
  return signed(floor, atMs, namesOf(root.value.signed.roles['timestamp']?.keyIDs ?? []));
}
