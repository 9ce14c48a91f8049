// What a set of metadata files says about a target, by signatures alone: from the root down, each role verified by the
// one that names it *here*. tuf-js has verified all of it once; this is the second look that it does not take (a role that
// two others delegate to is verified for the first of them alone, up to tuf-js 6.0.1), the one that knows our time, and
// the one that works for ever without a network.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { instantMs } from '@skerry/shared/node';
import {
  Metadata,
  MetadataKind,
  type Root,
  type Snapshot,
  type TargetFile,
  type Targets,
  type Timestamp,
} from '@tufjs/models';

/** By name without a version: root.json, targets.json, team.json. */
export type MetadataFiles = ReadonlyMap<string, Uint8Array>;

export interface FoundTarget {
  readonly file: TargetFile;
  /** All that the role which names it names. */
  readonly beside: readonly TargetFile[];
  /** The names of the files that say so, root.json first. */
  readonly by: readonly string[];
}

/** As tuf-js has it; the repository publishes no more. */
const rolesMax = 32;

/** Of those names, as they lie there. */
export const textsOf = (
  files: MetadataFiles,
  names: readonly string[],
): Readonly<Record<string, string>> =>
  Object.fromEntries(names.map((name) => [name, new TextDecoder().decode(files.get(name))]));

export const fileOf = (role: string): string => `${encodeURIComponent(role)}.json`;

/** Fails with `not_found` where no role in charge names the path, `untrusted` where one is not signed as it must be. */
export function findTarget(files: MetadataFiles, path: string): Result<FoundTarget> {
  return guarded(() => {
    const root = read(files, 'root', MetadataKind.Root);
    root.verifyDelegate('root', root);
    const by = new Set([fileOf('root')]);
    // Pre-order, depth first; a terminating role ends the search (TUF specification §5.6.7).
    let open: { readonly role: string; readonly by: Metadata<Root> | Metadata<Targets> }[] = [
      { role: 'targets', by: root },
    ];
    const visited = new Set<string>();
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { role } = next;
      if (visited.has(role)) continue;
      if (visited.size >= rolesMax) break;
      const metadata = read(files, role, MetadataKind.Targets);
      next.by.verifyDelegate(role, metadata);
      visited.add(role);
      by.add(fileOf(role));
      const { targets, delegations } = metadata.signed;
      const file = Object.hasOwn(targets, path) ? targets[path] : undefined;
      if (file !== undefined) return ok({ file, beside: Object.values(targets), by: [...by] });
      const below: typeof open = [];
      for (const each of delegations?.rolesForTarget(path) ?? []) {
        below.push({ role: each.role, by: metadata });
        if (!each.terminating) continue;
        open = [];
        break;
      }
      open.push(...below.reverse());
    }
    return err(failure('not_found', `no role in charge names ${path}`));
  });
}

/**
 * Whether the roles are those of the published whole, and good at `nowMs`. Fails with `untrusted` for a mixture of
 * versions, `expired` naming the role.
 */
export function checkCurrent(
  files: MetadataFiles,
  names: readonly string[],
  nowMs: number,
): Result<void> {
  return guarded(() => {
    const root = read(files, 'root', MetadataKind.Root);
    const timestamp = read(files, 'timestamp', MetadataKind.Timestamp);
    const snapshot = read(files, 'snapshot', MetadataKind.Snapshot);
    root.verifyDelegate('timestamp', timestamp);
    root.verifyDelegate('snapshot', snapshot);
    timestamp.signed.snapshotMeta.verify(bytesOf(files, 'snapshot.json'));
    const targets = names.filter((name) => name !== fileOf('root'));
    for (const name of targets) {
      const meta = snapshot.signed.meta[decodeURIComponent(name)];
      if (meta === undefined)
        return err(failure('untrusted', `the snapshot does not list ${name}`));
      const { version } = parse(files, name, MetadataKind.Targets).signed;
      if (version !== meta.version)
        return err(
          failure('untrusted', `${name} is ${version}, the snapshot says ${meta.version}`),
        );
      meta.verify(bytesOf(files, name));
    }
    for (const name of [fileOf('root'), 'timestamp.json', 'snapshot.json', ...targets]) {
      const expires = expiryOf(bytesOf(files, name));
      if (!(expires > nowMs)) return err(failure('expired', `${name} is no longer good`));
    }
    return ok(undefined);
  });
}

/** NaN for what has none: whoever compares must take that for expired. */
export function expiryOf(metadata: Uint8Array): number {
  try {
    const { signed } = JSON.parse(new TextDecoder().decode(metadata)) as {
      readonly signed?: { readonly expires?: unknown };
    };
    return typeof signed?.expires === 'string' ? instantMs(signed.expires) : Number.NaN;
  } catch {
    return Number.NaN;
  }
}

export const readRoot = (bytes: Uint8Array): Result<Metadata<Root>> =>
  guarded(() => {
    const root = read(new Map([['root.json', bytes]]), 'root', MetadataKind.Root);
    root.verifyDelegate('root', root);
    return ok(root);
  });

/** The root that comes after `before`, signed by the keys of both. Fails with `untrusted`. */
export const followRoot = (before: Metadata<Root>, bytes: Uint8Array): Result<Metadata<Root>> =>
  guarded(() => {
    const root = read(new Map([['root.json', bytes]]), 'root', MetadataKind.Root);
    before.verifyDelegate('root', root);
    root.verifyDelegate('root', root);
    return root.signed.version === before.signed.version + 1
      ? ok(root)
      : err(failure('untrusted', `root ${root.signed.version} after ${before.signed.version}`));
  });

/** Verified by the root beside it. Fails with `untrusted`. */
export const readTimestamp = (files: MetadataFiles): Result<Metadata<Timestamp>> =>
  guarded(() => {
    const timestamp = read(files, 'timestamp', MetadataKind.Timestamp);
    read(files, 'root', MetadataKind.Root).verifyDelegate('timestamp', timestamp);
    return ok(timestamp);
  });

interface Kinds {
  [MetadataKind.Root]: Root;
  [MetadataKind.Timestamp]: Timestamp;
  [MetadataKind.Snapshot]: Snapshot;
  [MetadataKind.Targets]: Targets;
}

const read = <K extends MetadataKind>(files: MetadataFiles, role: string, kind: K) =>
  parse(files, fileOf(role), kind);

function parse<K extends MetadataKind>(
  files: MetadataFiles,
  name: string,
  kind: K,
): Metadata<Kinds[K]> {
  const json = JSON.parse(bytesOf(files, name).toString()) as {
    signed?: { delegations?: unknown };
  };
  refuseTwins(json.signed?.delegations);
  // One of its overloads for each kind; the implementation looks at the first argument.
  return Metadata.fromJSON(kind as MetadataKind.Root, json as never) as unknown as Metadata<
    Kinds[K]
  >;
}

/** Of two delegations by one name tuf-js would see the last, where another client sees the first. */
function refuseTwins(delegations: unknown): void {
  const { roles } = (delegations ?? {}) as { readonly roles?: readonly { name?: unknown }[] };
  const names = Array.isArray(roles) ? roles.map(({ name }) => name) : [];
  if (new Set(names).size !== names.length) throw new Error('two delegations have one name');
}

function bytesOf(files: MetadataFiles, name: string): Buffer {
  const bytes = files.get(name);
  if (bytes === undefined) throw new Error(`${name} is not here`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What the metadata classes throw is a refusal. */
function guarded<T>(act: () => Result<T>): Result<T> {
  try {
    return act();
  } catch (thrown) {
    return err(failure('untrusted', messageOf(thrown)));
  }
}
