// The device's side of the repository. `refresh` brings the metadata up to date from any source, by tuf-js; `target` says
// which bytes a path stands for now; `verifyEvidence` says, for ever and without a network, that what runs was once
// accepted. A failure leaves what was accepted before, so that the next refresh can succeed.

import { type BundleTarget, bundleTargetPath, bundleTargetSchema } from '@skerry/models';
import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import {
  instantMs,
  type PublicKey,
  publicKeySchema,
  sha256,
  verifyEnvelope,
} from '@skerry/shared/node';
import { assignmentPayloadType } from '@skerry/sync-protocol/update';
import type { TargetFile } from '@tufjs/models';
import { z } from 'zod';
import {
  checkCurrent,
  type FoundTarget,
  findTarget,
  type MetadataFiles,
  readRoot,
  readTimestamp,
} from './accepted-metadata.ts';
import type { MetadataSource } from './metadata-source.ts';
import {
  attested,
  floorMs,
  noTimeFloor,
  signed,
  type TimeFloor,
  timeFloorSchema,
} from './time-floor.ts';

/** Where the accepted metadata lies; a save is there as a whole or not at all. */
export interface TrustFiles {
  load(): Promise<Result<MetadataFiles>>;
  save(name: string, bytes: Uint8Array): Promise<Result<void>>;
  loadState(): Promise<Result<unknown>>;
  saveState(state: TrustState): Promise<Result<void>>;
}

/** Runs the TUF client's workflow once: what it has accepted counts even where it then fails. */
export type RunTuf = (
  trusted: MetadataFiles,
  source: MetadataSource,
  paths: readonly string[],
) => Promise<{ readonly accepted: MetadataFiles; readonly outcome: Result<void> }>;

const rootsMax = 512;

const trustStateSchema = z.strictObject({
  floor: timeFloorSchema,
  /** The digests of roots that were once trusted, the latest last: they vouch for evidence. */
  roots: z.array(z.string()).max(rootsMax),
});
export type TrustState = z.infer<typeof trustStateSchema>;

export interface TrustSettings {
  /** Ships with the device: where trust begins, and begins again where the disk has lost it. */
  readonly trustedRoot?: Uint8Array | undefined;
  /** No time before this one is believed. */
  readonly releasedMs: number;
}

export interface Target {
  /** Of the file that the path stands for: a bundle's manifest. */
  readonly digest: string;
  readonly bytes: number;
  readonly custom: BundleTarget;
  /** The signed files that say so: to be kept beside the bundle, for `verifyEvidence`. */
  readonly evidence: Readonly<Record<string, string>>;
}

export interface TrustClient {
  /**
   * Top-level metadata, and what leads to `paths`. Fails with `unavailable` where the source fails, `untrusted` for an
   * attack or a broken repository, `expired` where what there is is no longer good.
   */
  refresh(source: MetadataSource, paths?: readonly string[]): Promise<Result<void>>;
  /** A bundle's, by what is accepted and current. Fails with `not_found`, `untrusted` or `expired`. */
  target(path: string): Promise<Result<Target>>;
  /** As TUF has it, for whoever downloads files of any kind. */
  targetFile(path: string): Promise<Result<TargetFile>>;
  /** That `evidence` was accepted here once and says so about `path`: no expiry, no network. */
  verifyEvidence(evidence: Target['evidence'], path: string): Promise<Result<Target>>;
  /** The payload, where the director that our root names has signed it. */
  verifyAssignment(envelope: unknown): Promise<Result<Uint8Array>>;
  /** Somebody whom we trust says that it is at least so late. */
  attest(atMs: number): Promise<Result<void>>;
  /** Never before the floor. */
  nowMs(): Promise<Result<number>>;
}

/** As the repository writes it in root (decision 0060). */
const directorField = 'x-skerry-director';
const signedAtField = 'x-skerry-signed-at';
const directorSchema = z.object({ keyids: z.array(z.string()), threshold: z.int().min(1) });

export function createTrustClient(
  { trustedRoot, releasedMs }: TrustSettings,
  {
    files,
    runTuf,
    clock,
  }: { readonly files: TrustFiles; readonly runTuf: RunTuf; readonly clock: Clock },
): TrustClient {
  let turn: Promise<unknown> = Promise.resolve();
  /** One after the other: they share the files. */
  const inTurn = <T>(act: () => Promise<Result<T>>): Promise<Result<T>> => {
    const mine = turn.then(act);
    turn = mine.catch(() => undefined);
    return mine;
  };

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
    return ok(parsed.success ? parsed.data : { floor: noTimeFloor, roots: [] });
  };

  const load = async () => {
    const onDisk = await files.load();
    if (!onDisk.ok) return onDisk;
    const accepted = withRoot(onDisk);
    if (!accepted.ok) return accepted;
    const state = await loadState();
    return state.ok
      ? ok({ onDisk: onDisk.value, accepted: accepted.value, state: state.value })
      : state;
  };

  const nowAt = ({ floor }: TrustState): number =>
    Math.max(clock.nowMs(), floorMs(floor, releasedMs));

  const saveAccepted = async (
    onDisk: MetadataFiles,
    accepted: MetadataFiles,
    state: TrustState,
  ) => {
    // Root first: what it signs is worth nothing without it.
    const names = [...accepted.keys()].sort((a, b) => rank(a) - rank(b));
    for (const name of names) {
      const bytes = accepted.get(name) as Uint8Array;
      const old = onDisk.get(name);
      if (old !== undefined && Buffer.from(old).equals(bytes)) continue;
      const saved = await files.save(name, bytes);
      if (!saved.ok) return saved;
    }
    const next = withSigned(state, accepted);
    const saved = await files.saveState(next);
    return saved.ok ? ok(next) : saved;
  };

  const find = async (path: string): Promise<Result<FoundTarget & { accepted: MetadataFiles }>> => {
    const loaded = await load();
    if (!loaded.ok) return loaded;
    const { accepted, state } = loaded.value;
    const found = findTarget(accepted, path);
    if (!found.ok) return found;
    const current = checkCurrent(accepted, found.value.by, nowAt(state));
    return current.ok ? ok({ ...found.value, accepted }) : current;
  };

  return {
    refresh: (source, paths = []) =>
      inTurn(async () => {
        const loaded = await load();
        if (!loaded.ok) return loaded;
        const { onDisk, state } = loaded.value;
        const { accepted, outcome } = await runTuf(loaded.value.accepted, source, paths);
        const saved = await saveAccepted(onDisk, accepted, state);
        if (!saved.ok) return saved;
        if (!outcome.ok) return outcome;
        return checkCurrent(accepted, ['root.json', 'targets.json'], nowAt(saved.value));
      }),

    target: (path) =>
      inTurn(async () => {
        const found = await find(path);
        return found.ok ? targetOf(found.value, found.value.accepted) : found;
      }),

    targetFile: (path) =>
      inTurn(async () => {
        const found = await find(path);
        return found.ok ? ok(found.value.file) : found;
      }),

    verifyEvidence: (evidence, path) =>
      inTurn(async () => {
        const loaded = await load();
        if (!loaded.ok) return loaded;
        const kept: MetadataFiles = new Map(
          Object.entries(evidence).map(([name, text]) => [name, new TextEncoder().encode(text)]),
        );
        const root = sha256(kept.get('root.json') ?? new Uint8Array());
        const own = loaded.value.accepted.get('root.json');
        const known = loaded.value.state.roots.includes(root) || (own && sha256(own)) === root;
        if (!known) return err(failure('untrusted', 'its root was never trusted here'));
        const found = findTarget(kept, path);
        return found.ok ? targetOf(found.value, kept) : found;
      }),

    verifyAssignment: (envelope) =>
      inTurn(async () => {
        const loaded = withRoot(await files.load());
        if (!loaded.ok) return loaded;
        const director = directorOf(loaded.value);
        if (!director.ok) return director;
        const { keys, threshold } = director.value;
        return verifyEnvelope(envelope, keys, threshold, assignmentPayloadType);
      }),

    attest: (atMs) =>
      inTurn(async () => {
        const state = await loadState();
        if (!state.ok) return state;
        return files.saveState({ ...state.value, floor: attested(state.value.floor, atMs) });
      }),

    async nowMs() {
      const state = await loadState();
      return state.ok ? ok(nowAt(state.value)) : state;
    },
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
  return { roots, floor: signedFloor(state.floor, accepted) };
}

function signedFloor(floor: TimeFloor, accepted: MetadataFiles): TimeFloor {
  const timestamp = readTimestamp(accepted);
  const root = readRoot(accepted.get('root.json') ?? new Uint8Array());
  if (!timestamp.ok || !root.ok) return floor;
  const said = timestamp.value.signed.unrecognizedFields[signedAtField];
  const atMs = typeof said === 'string' ? instantMs(said) : Number.NaN;
  // Nobody says at a time that what they say has expired.
  if (!(atMs < instantMs(timestamp.value.signed.expires))) return floor;
  const keys = [...(root.value.signed.roles['timestamp']?.keyIDs ?? [])].sort().join(',');
  return signed(floor, atMs, keys);
}

function targetOf({ file, by }: FoundTarget, files: MetadataFiles): Result<Target> {
  const { sha256: hex } = file.hashes;
  if (hex === undefined) return err(failure('untrusted', `${file.path} has no sha256`));
  const custom = bundleTargetSchema.safeParse(file.custom);
  // What was signed as one model is not taken for another, whoever has put it at that path.
  const isOwn =
    custom.success && bundleTargetPath(custom.data.model, custom.data.version) === file.path;
  if (!isOwn) return err(failure('untrusted', `${file.path} is signed as another bundle, or none`));
  const evidence = Object.fromEntries(
    by.map((name) => [name, new TextDecoder().decode(files.get(name))]),
  );
  return ok({ digest: `sha256:${hex}`, bytes: file.length, custom: custom.data, evidence });
}

function directorOf(
  files: MetadataFiles,
): Result<{ readonly keys: readonly PublicKey[]; readonly threshold: number }> {
  const root = readRoot(files.get('root.json') ?? new Uint8Array());
  if (!root.ok) return root;
  const role = directorSchema.safeParse(root.value.signed.unrecognizedFields[directorField]);
  if (!role.success) return err(failure('untrusted', 'the root names no director'));
  const keys = role.data.keyids.flatMap((id) => {
    const key = publicKeySchema.safeParse(root.value.signed.keys[id]?.toJSON());
    return key.success ? [key.data] : [];
  });
  return ok({ keys, threshold: role.data.threshold });
}
