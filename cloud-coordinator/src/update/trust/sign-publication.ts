// The online half of a publication: snapshot and timestamp, signed here, and the head that names all files. Nothing of
// it can be seen before the head is committed.

import { err, failure, ok, type Result } from '@skerry/shared';
import { instantMs, instantOf, type Signer, sha256 } from '@skerry/shared/node';
import { requireThreshold, signersOf, signMetadata } from './count-signers.ts';
import {
  commonFields,
  encodeMetadata,
  type Metadata,
  type MetaFile,
  metadataBytesMax,
  type Root,
  type Signed,
  type Snapshot,
  signedAtField,
  type Timestamp,
} from './metadata.ts';
import type { Publication } from './plan-publication.ts';
import { fileName, type Published, parseFileName } from './published.ts';
import type { Head, TrustStore } from './trust-store.ts';

const hourMs = 3_600_000;
/** A device that is kept from newer metadata (a freeze attack) notices after this long. */
export const timestampLifeMs = 24 * hourMs;
export const snapshotLifeMs = 7 * 24 * hourMs;
/** Signed anew when less than this share of its life is left: so long a coordinator may be away. */
const freshShare = 0.5;
/** Of each role but root, whose chain is whole: for clients that are between two files. */
const versionsKeptMax = 4;

export interface SignedPublication {
  readonly head: Head;
  /** The names of the files that are new, timestamp.json left out. */
  readonly names: readonly string[];
}

/** Whether snapshot or timestamp should be signed anew, though nothing has changed. */
export function isDue({ snapshot, timestamp }: Published, nowMs: number): boolean {
  const runsOut = ({ signed }: Metadata, lifeMs: number): boolean =>
    instantMs(signed.expires) - nowMs < lifeMs * freshShare;
  return runsOut(timestamp, timestampLifeMs) || runsOut(snapshot, snapshotLifeMs);
}

/** Fails with `untrusted` where an online key is not here, or as a signer or the store does. */
export async function signPublication(
  publication: Publication,
  published: Published | undefined,
  nowMs: number,
  { store, signers }: { readonly store: TrustStore; readonly signers: readonly Signer[] },
): Promise<Result<SignedPublication>> {
  const root = publication.root.signed;
  const files: Record<string, string> = { ...published?.head.files };
  const names: string[] = [];
  const write = async (role: string, metadata: Metadata): Promise<Result<MetaFile>> => {
    const bytes = encodeMetadata(metadata);
    const most = metadataBytesMax[metadata.signed._type];
    if (bytes.length > most)
      return err(failure('too_large', `${role} is ${bytes.length} bytes; clients read ${most}`));
    const digest = await store.write(bytes);
    if (!digest.ok) return digest;
    const name = fileName(role, metadata.signed.version);
    files[name] = digest.value;
    names.push(name);
    return ok(metaFileOf(metadata.signed.version, bytes));
  };
  const signOnline = async <T extends Signed>(role: 'snapshot' | 'timestamp', signed: T) => {
    const keySet = root.roles[role];
    const own = signers.filter(({ keyId }) => keySet.keyids.includes(keyId));
    const metadata = await signMetadata(signed, own);
    if (!metadata.ok) return metadata;
    const enough = requireThreshold(
      `${role}, by the online keys here,`,
      metadata.value,
      root.keys,
      keySet,
    );
    return enough.ok ? metadata : enough;
  };

  const meta: Record<string, MetaFile> = { ...published?.snapshot.signed.meta };
  for (const [role, metadata] of publication.fresh) {
    const written = await write(role, metadata);
    if (!written.ok) return written;
    if (role !== 'root') meta[`${role}.json`] = written.value;
  }
  const kept = keptSnapshot(publication, published, root, nowMs);
  let snapshotFile = published?.timestamp.signed.meta['snapshot.json'];
  if (kept === undefined || snapshotFile === undefined) {
    const version = (published?.snapshot.signed.version ?? 0) + 1;
    const snapshot = await signOnline('snapshot', {
      _type: 'snapshot',
      ...commonFields(version, nowMs + snapshotLifeMs),
      meta,
    } satisfies Snapshot);
    if (!snapshot.ok) return snapshot;
    const written = await write('snapshot', snapshot.value);
    if (!written.ok) return written;
    snapshotFile = written.value;
  }
  const timestamp = await signOnline('timestamp', {
    _type: 'timestamp',
    ...commonFields((published?.timestamp.signed.version ?? 0) + 1, nowMs + timestampLifeMs),
    meta: { 'snapshot.json': snapshotFile },
    [signedAtField]: instantOf(nowMs),
  } satisfies Timestamp);
  if (!timestamp.ok) return timestamp;
  const digest = await store.write(encodeMetadata(timestamp.value));
  if (!digest.ok) return digest;
  const revision = (published?.head.revision ?? 0) + 1;
  return ok({ head: { revision, files: keepLatest(files), timestamp: digest.value }, names });
}

/** The published snapshot, where it may stay: nothing is new, it lasts, and the root still knows who signed it. */
function keptSnapshot(
  { fresh }: Publication,
  published: Published | undefined,
  root: Root,
  nowMs: number,
): Metadata<Snapshot> | undefined {
  if (published === undefined || fresh.size > 0) return undefined;
  const { snapshot } = published;
  const lasts = instantMs(snapshot.signed.expires) - nowMs >= snapshotLifeMs * freshShare;
  const role = root.roles.snapshot;
  return lasts && signersOf(snapshot, root.keys, role).length >= role.threshold
    ? snapshot
    : undefined;
}

function metaFileOf(version: number, bytes: Uint8Array): MetaFile {
  return {
    version,
    length: bytes.length,
    hashes: { sha256: sha256(bytes).slice('sha256:'.length) },
  };
}

function keepLatest(files: Readonly<Record<string, string>>): Record<string, string> {
  const newest = new Map<string, number>();
  for (const name of Object.keys(files)) {
    const { role, version } = parseFileName(name);
    newest.set(role, Math.max(version, newest.get(role) ?? 0));
  }
  return Object.fromEntries(
    Object.entries(files).filter(([name]) => {
      const { role, version } = parseFileName(name);
      return role === 'root' || version > (newest.get(role) ?? 0) - versionsKeptMax;
    }),
  );
}
