// The device's side of the repository. `refresh` brings the metadata up to date from any source, by tuf-js; `target` says
// which bytes a path stands for now; `verifyEvidence` says, for ever and without a network, that what runs was once
// accepted. A failure leaves what was accepted before, so that the next refresh can succeed.

import { type BundleTarget, bundleTargetPath, bundleTargetSchema } from '@skerry/models';
import { type Clock, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import { sha256, verifyEnvelope } from '@skerry/shared/node';
import { assignmentPayloadType } from '@skerry/sync-protocol/update';
import type { TargetFile } from '@tufjs/models';
import {
  checkCurrent,
  type FoundTarget,
  findTarget,
  type MetadataFiles,
  textsOf,
} from './accepted-metadata.ts';
import { directorOf } from './director-role.ts';
import type { MetadataSource } from './metadata-source.ts';
import { type Lineage, leadsTo, lineageFrom, readLineage } from './root-lineage.ts';
import { refuseEarlier, type SignedSnapshot, signedSnapshot } from './signed-snapshot.ts';
import { attested, floorMs } from './time-floor.ts';
import { type Accepted, createTrustDisk, type TrustFiles, type TrustState } from './trust-disk.ts';

/** Runs the TUF client's workflow once: what it has accepted counts even where it then fails. */
export type RunTuf = (
  trusted: MetadataFiles,
  source: MetadataSource,
  paths: readonly string[],
) => Promise<{ readonly accepted: MetadataFiles; readonly outcome: Result<void> }>;

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
  /** A bundle's that may be installed, by what is accepted and current. Fails with `not_found`, `untrusted` or `expired`. */
  target(path: string): Promise<Result<Target>>;
  /** As TUF has it, for whoever downloads files of any kind. */
  targetFile(path: string): Promise<Result<TargetFile>>;
  /**
   * What is accepted now says so about `path`, also where it has expired, and the roots that lead to its root from the one that ships
   * with the device, where they are known; of `kept`, these alone are added. Fails with `not_found` or `untrusted`.
   */
  evidence(path: string, kept?: Target['evidence']): Promise<Result<Target['evidence']>>;
  /** That `evidence` was accepted here once and says so about `path`: no expiry, no network. */
  verifyEvidence(evidence: Target['evidence'], path: string): Promise<Result<Target>>;
  /** A collection's that may be taken; fails as `target` does. */
  snapshot(path: string): Promise<Result<SignedSnapshot>>;
  /** It is about to be what this device answers from: nothing of a lower sequence is its `snapshot` after it. */
  snapshotTaken(collection: string, sequence: number): Promise<Result<void>>;
  /** As `verifyEvidence`, of a snapshot. */
  verifySnapshot(
    evidence: SignedSnapshot['evidence'],
    path: string,
  ): Promise<Result<SignedSnapshot>>;
  /** The payload, where the director that our root names has signed it. */
  verifyAssignment(envelope: unknown): Promise<Result<Uint8Array>>;
  /**
   * The bundle that the path stands for is confirmed on this device: nothing of a lower release is `target` after it, also
   * where what said so is signed no longer. Nothing happens where the path stands for another bundle by now, or for none.
   */
  confirmed(path: string, digest: string): Promise<Result<void>>;
  /** The director has said that it is at least so late, in an assignment that was verified. */
  attest(atMs: number): Promise<Result<void>>;
  /** Never before the floor. */
  nowMs(): Promise<Result<number>>;
}

export function createTrustClient(
  { trustedRoot, releasedMs }: TrustSettings,
  {
    files,
    runTuf,
    clock,
  }: { readonly files: TrustFiles; readonly runTuf: RunTuf; readonly clock: Clock },
): TrustClient {
  const disk = createTrustDisk(files, trustedRoot);
  const { load, saveAccepted, saveState } = disk;
  /** A refresh waits for the one before it, and for its network. Nobody else waits for a network. */
  const refreshing = createTurn();
  /** What reads or writes the files. */
  const inTurn = createTurn();

  const nowAt = ({ floor }: TrustState): number =>
    Math.max(clock.nowMs(), floorMs(floor, releasedMs));

  const find = async (path: string): Promise<Result<FoundTarget & Omit<Accepted, 'onDisk'>>> => {
    const loaded = await load();
    if (!loaded.ok) return loaded;
    const { accepted, state } = loaded.value;
    const found = findTarget(accepted, path);
    if (!found.ok) return found;
    const current = checkCurrent(accepted, found.value.by, nowAt(state));
    return current.ok ? ok({ ...found.value, accepted, state }) : current;
  };

  /** [TUF25] Where it cannot be had now, the next refresh tries again. */
  const keepLineage = async (source: MetadataSource, accepted: MetadataFiles): Promise<void> => {
    const root = accepted.get('root.json');
    if (root === undefined || trustedRoot === undefined) return;
    const text = new TextDecoder().decode(root);
    if (leadsTo(text, trustedRoot, await disk.lineage())) return;
    const lineage = await readLineage(source, trustedRoot, root);
    if (lineage !== undefined) await inTurn(() => disk.saveLineage(lineage));
  };

  /** By files whose root was trusted here once. */
  const findIn = async (
    evidence: Target['evidence'],
    path: string,
  ): Promise<Result<FoundTarget & { readonly kept: MetadataFiles }>> => {
    const loaded = await load();
    if (!loaded.ok) return loaded;
    const kept: MetadataFiles = new Map(
      Object.entries(evidence).map(([name, text]) => [name, new TextEncoder().encode(text)]),
    );
    const root = sha256(kept.get('root.json') ?? new Uint8Array());
    const own = loaded.value.accepted.get('root.json');
    const known = loaded.value.state.roots.includes(root) || (own && sha256(own)) === root;
    // [TUF25] What was trusted here may have been lost: the root that ships with the device has not.
    const isLed = async (): Promise<boolean> =>
      leadsTo(evidence['root.json'], trustedRoot, lineageIn(evidence)) ||
      leadsTo(evidence['root.json'], trustedRoot, await disk.lineage());
    if (!known && !(await isLed()))
      return err(failure('untrusted', 'its root was never trusted here'));
    const found = findTarget(kept, path);
    return found.ok ? ok({ ...found.value, kept }) : found;
  };

  return {
    refresh: (source, paths = []) =>
      refreshing(async () => {
        const before = await inTurn(load);
        if (!before.ok) return before;
        const { accepted, outcome } = await runTuf(before.value.accepted, source, paths);
        const saved = await inTurn(() => saveAccepted(before.value.onDisk, accepted));
        if (!saved.ok) return saved;
        if (!outcome.ok) return outcome;
        await keepLineage(source, accepted);
        return checkCurrent(accepted, ['root.json', 'targets.json'], nowAt(saved.value));
      }),

    target: (path) =>
      inTurn(async () => {
        const found = await find(path);
        if (!found.ok) return found;
        const target = targetOf(found.value, found.value.accepted);
        return target.ok ? refuseDowngrade(target.value, found.value) : target;
      }),

    confirmed: (path, digest) =>
      inTurn(async () => {
        const loaded = await load();
        if (!loaded.ok) return loaded;
        const { accepted, state } = loaded.value;
        const found = findTarget(accepted, path);
        const target = found.ok ? targetOf(found.value, accepted) : found;
        if (!target.ok || target.value.digest !== digest) return ok(undefined);
        const { model, releaseCounter } = target.value.custom;
        if (releaseCounter <= (state.releases[model] ?? 0)) return ok(undefined);
        return saveState({ ...state, releases: { ...state.releases, [model]: releaseCounter } });
      }),

    targetFile: (path) =>
      inTurn(async () => {
        const found = await find(path);
        return found.ok ? ok(found.value.file) : found;
      }),

    evidence: (path, kept) =>
      inTurn(async () => {
        if (kept !== undefined) return ok(withLineage(kept, await disk.lineage()));
        const loaded = await load();
        if (!loaded.ok) return loaded;
        const { accepted } = loaded.value;
        const found = findTarget(accepted, path);
        const target = found.ok ? targetOf(found.value, accepted) : found;
        return target.ok ? ok(withLineage(target.value.evidence, await disk.lineage())) : target;
      }),

    snapshot: (path) =>
      inTurn(async () => {
        const found = await find(path);
        if (!found.ok) return found;
        const signed = signedSnapshot(found.value, found.value.accepted);
        return signed.ok ? refuseEarlier(signed.value, found.value.state.collections) : signed;
      }),

    snapshotTaken: (collection, sequence) =>
      inTurn(async () => {
        const loaded = await load();
        if (!loaded.ok) return loaded;
        const { state } = loaded.value;
        if (sequence <= (state.collections[collection] ?? 0)) return ok(undefined);
        const collections = { ...state.collections, [collection]: sequence };
        return saveState({ ...state, collections });
      }),

    verifyEvidence: (evidence, path) =>
      inTurn(async () => {
        const found = await findIn(evidence, path);
        return found.ok ? targetOf(found.value, found.value.kept) : found;
      }),

    verifySnapshot: (evidence, path) =>
      inTurn(async () => {
        const found = await findIn(evidence, path);
        return found.ok ? signedSnapshot(found.value, found.value.kept) : found;
      }),

    verifyAssignment: (envelope) =>
      inTurn(async () => {
        const loaded = await load();
        if (!loaded.ok) return loaded;
        const director = directorOf(loaded.value.accepted);
        if (!director.ok) return director;
        const { keys, threshold } = director.value;
        return verifyEnvelope(envelope, keys, threshold, assignmentPayloadType);
      }),

    attest: (atMs) =>
      inTurn(async () => {
        const loaded = await load();
        if (!loaded.ok) return loaded;
        const { accepted, state } = loaded.value;
        const by = directorOf(accepted);
        if (!by.ok) return by;
        const floor = attested(state.floor, atMs, by.value.names);
        return saveState({ ...state, floor });
      }),

    async nowMs() {
      const loaded = await inTurn(load);
      return loaded.ok ? ok(nowAt(loaded.value.state)) : loaded;
    },
  };
}

/** Whatever is given to it runs when what was given before has ended. */
function createTurn() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(act: () => Promise<Result<T>>): Promise<Result<T>> => {
    const mine = last.then(act);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** Among the files of evidence, none of which has such a name. */
const lineageName = 'roots';

function withLineage(evidence: Target['evidence'], lineage: Lineage): Target['evidence'] {
  const at = lineage.indexOf(evidence['root.json'] ?? '');
  if (at === -1) return evidence;
  return { ...evidence, [lineageName]: JSON.stringify(lineage.slice(0, at + 1)) };
}

function lineageIn({ [lineageName]: text = '' }: Target['evidence']): Lineage {
  const json = parseJson(new TextEncoder().encode(text), 'the roots', 'untrusted');
  return lineageFrom(json.ok ? json.value : undefined);
}

function targetOf({ file, by }: FoundTarget, files: MetadataFiles): Result<Target> {
  const { sha256: hex } = file.hashes;
  if (hex === undefined) return err(failure('untrusted', `${file.path} has no sha256`));
  const custom = bundleTargetSchema.safeParse(file.custom);
  // What was signed as one model is not taken for another, whoever has put it at that path.
  const isOwn =
    custom.success && bundleTargetPath(custom.data.model, custom.data.version) === file.path;
  if (!isOwn) return err(failure('untrusted', `${file.path} is signed as another bundle, or none`));
  const evidence = textsOf(files, by);
  return ok({ digest: `sha256:${hex}`, bytes: file.length, custom: custom.data, evidence });
}

/**
 * [TUF24] A director alone cannot go back behind a release that the offline keys have made the least, nor behind one that
 * is confirmed here (Uptane standard §5.4.4).
 */
function refuseDowngrade(
  target: Target,
  { beside, state }: FoundTarget & { readonly state: TrustState },
): Result<Target> {
  const { model, version, releaseCounter } = target.custom;
  const refuse = (least: number, whose: string) =>
    err(
      failure(
        'untrusted',
        `${model} ${version} is of release ${releaseCounter}, ${whose} is ${least}`,
      ),
    );
  const confirmed = state.releases[model] ?? 0;
  if (releaseCounter < confirmed) return refuse(confirmed, 'what was confirmed here');
  for (const { custom } of beside) {
    const other = bundleTargetSchema.safeParse(custom);
    if (!other.success || other.data.model !== model) continue;
    const least = other.data.releaseCounter;
    if (releaseCounter < least) return refuse(least, 'the least');
  }
  return ok(target);
}
