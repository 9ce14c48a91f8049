// The repository as it is published, read whole: the latest of each role.

import { err, failure, ok, type Result } from '@skerry/shared';
import { topLevel } from './draft.ts';
import {
  type Metadata,
  parseMetadata,
  type Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from './metadata.ts';
import type { Head, TrustStore } from './trust-store.ts';

export interface Published {
  readonly head: Head;
  readonly root: Metadata<Root>;
  readonly timestamp: Metadata<Timestamp>;
  readonly snapshot: Metadata<Snapshot>;
  /** The top-level role and the teams that it still names. */
  readonly targets: ReadonlyMap<string, Metadata<Targets>>;
}

export const fileName = (role: string, version: number): string => `${version}.${role}.json`;

/** The version and the role of a name. */
export function parseFileName(name: string): { readonly role: string; readonly version: number } {
  const [version, ...rest] = name.split('.');
  return { version: Number(version), role: rest.slice(0, -1).join('.') };
}

export const rootVersions = ({ files }: Head): number[] =>
  Object.keys(files)
    .map(parseFileName)
    .flatMap(({ role, version }) => (role === 'root' ? [version] : []))
    .sort((a, b) => a - b);

/** Undefined before the first publication. Fails as the store does. */
export async function readPublished(store: TrustStore): Promise<Result<Published | undefined>> {
  const found = await store.head();
  if (!found.ok || found.value === undefined) return found.ok ? ok(undefined) : found;
  const head = found.value;
  const read = async <K extends 'root' | 'snapshot' | 'targets'>(
    role: string,
    version: number,
    type: K,
  ) => {
    const digest = head.files[fileName(role, version)];
    if (digest === undefined)
      return err(failure('storage_failed', `the head names no version ${version} of ${role}`));
    const bytes = await store.read(digest);
    return bytes.ok ? parseMetadata(bytes.value, type) : bytes;
  };

  const timestampBytes = await store.read(head.timestamp);
  if (!timestampBytes.ok) return timestampBytes;
  const timestamp = parseMetadata(timestampBytes.value, 'timestamp');
  if (!timestamp.ok) return timestamp;
  const root = await read('root', rootVersions(head).at(-1) ?? 0, 'root');
  if (!root.ok) return root;
  const snapshot = await read(
    'snapshot',
    timestamp.value.signed.meta['snapshot.json'].version,
    'snapshot',
  );
  if (!snapshot.ok) return snapshot;
  const versions = versionsIn(snapshot.value.signed);
  const top = await read(topLevel, versions.get(topLevel) ?? 0, 'targets');
  if (!top.ok) return top;
  const targets = new Map([[topLevel, top.value]]);
  for (const { name } of top.value.signed.delegations?.roles ?? []) {
    const team = await read(name, versions.get(name) ?? 0, 'targets');
    if (!team.ok) return team;
    targets.set(name, team.value);
  }
  return ok({
    head,
    root: root.value,
    timestamp: timestamp.value,
    snapshot: snapshot.value,
    targets,
  });
}

/** Of each targets role that was ever published. */
export const versionsIn = ({ meta }: Snapshot): Map<string, number> =>
  new Map(
    Object.entries(meta).map(([file, { version }]) => [file.replace(/\.json$/, ''), version]),
  );
