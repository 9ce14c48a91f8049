// The parts of a key ceremony: the first root, keys that come and go, a signature, a signature that comes back.

import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type BundleTarget, bundleTargetPath, bundleTargetSchema } from '@skerry/models';
import { readVariants } from '@skerry/models/node';
import { collect, err, failure, ok, type Result } from '@skerry/shared';
import { type Signer, sha256, systemClock } from '@skerry/shared/node';
import {
  readManifest,
  type SnapshotTarget,
  snapshotTargetPath,
} from '@skerry/sync-protocol/collections';
import { signMetadata } from '../update/trust/count-signers.ts';
import { describeSigned, shortId } from '../update/trust/describe.ts';
import {
  createRoot,
  delegationsOf,
  isTopRole,
  keySetOf,
  rotateKeys,
} from '../update/trust/edit-keys.ts';
import type { TargetFile } from '../update/trust/metadata.ts';
import { describeWaiting, editTrust } from './edit-trust.ts';
import { makeKey, openSigner, readPublicKey } from './key-files.ts';
import { openTrust, trustFolders } from './open-trust.ts';
import { readMetadataFile, writeMetadataFile } from './trust-files.ts';

/** As many keys as a real ceremony has, all made here. */
export const demoCeremony = { keys: 3, threshold: 2 } as const;

interface Beginning {
  readonly dataDir: string;
  readonly rootKeys?: readonly string[] | undefined;
  readonly targetsKeys?: readonly string[] | undefined;
  readonly rootThreshold: number;
  readonly targetsThreshold: number;
}

export async function beginTrust(options: Beginning): Promise<Result<string>> {
  const { dataDir, rootKeys, targetsKeys } = options;
  const at = trustFolders(dataDir);
  if ((rootKeys === undefined) !== (targetsKeys === undefined))
    return err(failure('invalid_argument', 'give both --root-keys and --targets-keys, or neither'));
  const before = await editTrust(dataDir, async () => ok({}));
  if (before.ok || before.error.code !== 'not_found')
    return before.ok
      ? err(failure('invalid_argument', `${at.repository} has begun already`))
      : before;
  const online = makeKeys(at.keys, ['snapshot', 'timestamp', 'director']);
  if (!online.ok) return online;
  const [snapshot, timestamp, director] = online.value.map((signer) => keysOf([signer], 1));
  if (snapshot === undefined || timestamp === undefined || director === undefined)
    return err(failure('internal', 'three keys were made'));

  const isDemo = rootKeys === undefined || targetsKeys === undefined;
  const made = isDemo ? makeOffline(at.offline) : ok({ root: [], targets: [] });
  if (!made.ok) return made;
  const { root, targets } = made.value;
  const publicKeys = collect(isDemo ? [] : [...rootKeys, ...targetsKeys].map(readPublicKey));
  if (!publicKeys.ok) return publicKeys;
  const given = publicKeys.value;
  const rootCount = rootKeys?.length ?? 0;
  const roles = {
    root: isDemo
      ? keysOf(root, demoCeremony.threshold)
      : { keys: given.slice(0, rootCount), threshold: options.rootThreshold },
    targets: isDemo
      ? keysOf(targets, demoCeremony.threshold)
      : { keys: given.slice(rootCount), threshold: options.targetsThreshold },
    snapshot,
    timestamp,
    director,
  };
  const first = createRoot(roles, systemClock.nowMs());
  if (!first.ok) return first;
  const opened = openTrust(dataDir, undefined, systemClock);
  if (!opened.ok) return opened;
  const { repository } = opened.value;
  const staged = await repository.stage(first.value);
  if (!staged.ok) return staged;
  if (!isDemo) return describeWaiting(dataDir, repository);
  const signed = await signAll(dataDir, [...root.slice(0, 2), ...targets.slice(0, 2)]);
  if (!signed.ok) return signed;
  const published = await repository.publish();
  return published.ok ? ok(demoAdvice(dataDir)) : published;
}

function demoAdvice(dataDir: string): string {
  const at = trustFolders(dataDir);
  const here = (path: string): string => relative('.', path);
  return [
    `published: root and targets (any 2 of 3 keys each), snapshot, timestamp. Devices begin with 1.root.json.`,
    ``,
    `FOR A DEMO ONLY, as it stands: all keys are on this machine. Before a device relies on it:`,
    `  move ${here(at.offline)}/root-{1,2,3}.pem and targets-{1,2,3}.pem to six people or tokens, and delete them here;`,
    `  ${here(at.keys)}/{snapshot,timestamp,director}.pem stay: the coordinator signs with them.`,
    `Whoever has two of the root keys has the fleet. A ceremony whose keys were never here:`,
    `  tuf keygen --out KEY, each on their own machine; tuf init --root-keys A.pub,B.pub,… --targets-keys C.pub,D.pub,…`,
  ].join('\n');
}

function makeKeys(folder: string, names: readonly string[]): Result<Signer[]> {
  return collect(
    names.map((name) => {
      const path = join(folder, `${name}.pem`);
      // Of a beginning that was cut off.
      return existsSync(path) ? openSigner(path) : makeKey(path, 'ed25519');
    }),
  );
}

function makeOffline(
  folder: string,
): Result<{ readonly root: Signer[]; readonly targets: Signer[] }> {
  const numbers = Array.from({ length: demoCeremony.keys }, (_, i) => i + 1);
  const root = makeKeys(
    folder,
    numbers.map((n) => `root-${n}`),
  );
  if (!root.ok) return root;
  const targets = makeKeys(
    folder,
    numbers.map((n) => `targets-${n}`),
  );
  return targets.ok ? ok({ root: root.value, targets: targets.value }) : targets;
}

const keysOf = (signers: readonly Signer[], threshold: number) => ({
  keys: signers.map(({ publicKey }) => publicKey),
  threshold,
});

interface Rotation {
  readonly dataDir: string;
  readonly role: string;
  readonly add?: readonly string[] | undefined;
  readonly remove?: readonly string[] | undefined;
  readonly threshold?: number | undefined;
}

export function rotateTrust({ dataDir, role, add = [], remove = [], threshold }: Rotation) {
  return editTrust(dataDir, async (draft, nowMs) => {
    const added = collect(add.map(readPublicKey));
    if (!added.ok) return added;
    const keyids = isTopRole(role)
      ? keySetOf(draft.root, role).keyids
      : (delegationsOf(draft).roles.find(({ name }) => name === role)?.keyids ?? []);
    const removed = collect(
      remove.map((prefix): Result<string> => {
        const [found, ...more] = keyids.filter((id) => id.startsWith(prefix));
        if (found !== undefined && more.length === 0) return ok(found);
        return err(
          failure('not_found', `${role} has no key, or several, that begin with ${prefix}`),
        );
      }),
    );
    if (!removed.ok) return removed;
    return rotateKeys(draft, role, { add: added.value, remove: removed.value, threshold }, nowMs);
  });
}

interface Signing {
  readonly dataDir: string;
  readonly key: string;
  readonly file?: string | undefined;
}

export async function signStaged({ dataDir, key, file }: Signing): Promise<Result<string>> {
  const signer = openSigner(key);
  if (!signer.ok) return signer;
  return file === undefined ? signAll(dataDir, [signer.value]) : signFile(file, signer.value);
}

/** Everything that is staged and that these keys may sign. */
async function signAll(dataDir: string, signers: readonly Signer[]): Promise<Result<string>> {
  const opened = openTrust(dataDir, [], systemClock);
  if (!opened.ok) return opened;
  const { repository } = opened.value;
  const staged = await repository.staged();
  if (!staged.ok) return staged;
  const lines: string[] = [];
  for (const { role, metadata, needs } of staged.value) {
    const own = signers.filter(({ keyId }) =>
      needs.some(({ keySet }) => keySet.keyids.includes(keyId)),
    );
    if (own.length === 0) continue;
    const signed = await signMetadata(metadata.signed, own);
    if (!signed.ok) return signed;
    const collected = await repository.collect(role, signed.value);
    if (!collected.ok) return collected;
    lines.push(`signed by ${own.map(({ keyId }) => shortId(keyId)).join(' ')}:`);
    lines.push(describeSigned(role, metadata.signed));
  }
  return lines.length > 0
    ? ok(lines.join('\n'))
    : err(failure('invalid_argument', 'nothing that is staged is for this key to sign'));
}

/** In place: the file goes back to whoever publishes. */
async function signFile(file: string, signer: Signer): Promise<Result<string>> {
  const metadata = await readMetadataFile(file);
  if (!metadata.ok) return metadata;
  const { signed, signatures } = metadata.value;
  const own = await signMetadata(signed, [signer]);
  if (!own.ok) return own;
  const others = signatures.filter(({ keyid }) => keyid !== signer.keyId);
  const written = await writeMetadataFile(file, {
    signed,
    signatures: [...others, ...own.value.signatures],
  });
  if (!written.ok) return written;
  return ok(`signed by ${shortId(signer.keyId)}:\n${describeSigned(file, signed)}`);
}

interface Collecting {
  readonly dataDir: string;
  readonly file: string;
}

/** The role is the one whose staged bytes they are: the name of the file decides nothing. */
export async function collectSigned({ dataDir, file }: Collecting): Promise<Result<string>> {
  const metadata = await readMetadataFile(file);
  if (!metadata.ok) return metadata;
  const opened = openTrust(dataDir, [], systemClock);
  if (!opened.ok) return opened;
  const { repository } = opened.value;
  const staged = await repository.staged();
  if (!staged.ok) return staged;
  for (const { role } of staged.value) {
    const collected = await repository.collect(role, metadata.value);
    if (collected.ok) return describeWaiting(dataDir, repository);
    if (collected.error.code !== 'invalid_argument') return collected;
  }
  return err(
    failure('invalid_argument', `${file} is nothing that is staged, or was changed since`),
  );
}

/** After all files of all variants have been found to be those that the manifest names. */
export async function targetOfBundle(
  folder: string,
  releaseCounter: number | undefined,
  named: Readonly<Record<string, TargetFile>>,
): Promise<Result<readonly [string, TargetFile]>> {
  const variants = await readVariants(folder, ['edge', 'cloud']);
  if (!variants.ok) return variants;
  const manifest = variants.value[0]?.manifest;
  if (manifest === undefined) return err(failure('invalid_bundle', `${folder} has no variant`));
  const bytes = readFileSync(join(folder, 'manifest.json'));
  const { name: model, version } = manifest;
  const custom = {
    model,
    version,
    releaseCounter: releaseCounter ?? highestRelease(named, model),
    variants: Object.fromEntries(manifest.variants.map(({ name, digest }) => [name, digest])),
  } satisfies BundleTarget;
  const hashes = { sha256: sha256(bytes).slice('sha256:'.length) };
  return ok([bundleTargetPath(model, version), { length: bytes.length, hashes, custom }]);
}

/** By the manifest that the coordinator has published: `skerry collection push … --manifest FILE`. */
export function targetOfSnapshot(path: string): Result<readonly [string, TargetFile]> {
  const bytes = readFileSync(path);
  const manifest = readManifest(bytes, sha256);
  if (!manifest.ok) return manifest;
  const { collection, sequence, root } = manifest.value;
  const custom = { collection, sequence, root } satisfies SnapshotTarget;
  const hashes = { sha256: sha256(bytes).slice('sha256:'.length) };
  const target = { length: bytes.length, hashes, custom };
  return ok([snapshotTargetPath(collection, sequence), target]);
}

function highestRelease(named: Readonly<Record<string, TargetFile>>, model: string): number {
  const counters = Object.values(named).flatMap(({ custom }) => {
    const other = bundleTargetSchema.safeParse(custom);
    return other.success && other.data.model === model ? [other.data.releaseCounter] : [];
  });
  return Math.max(0, ...counters);
}
