// The registry of models: versions that never change, aliases that move, and every move a signed event. What is kept is
// the log of these and the bundles' blobs; devices pin digests and never see an alias.

import { bundleTargetPath, type Manifest } from '@skerry/models';
import { type Clock, collect, err, failure, ok, type Result } from '@skerry/shared';
import { type PublicKey, type Signer, sha256 } from '@skerry/shared/node';
import {
  audiences,
  type BlobRef,
  type BlobReferences,
  type BlobStore,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import type { EventStore } from '../../event-log/event-store.ts';
import type { BundleDirectory } from '../rollouts/index.ts';
import { type Comparison, compareVersions } from './compare-versions.ts';
import { type BundleFiles, describeManifest, filesOf, readManifest } from './describe-manifest.ts';
import { openEvent, sealEvent, type Unchained } from './event-envelope.ts';
import { foldModel, type ModelState, type ModelVersion, noEvents } from './fold-model.ts';
import type { Description, ModelEvent, VersionState } from './model-event.ts';

export interface RegistryPorts {
  /** One log a model. */
  readonly logs: EventStore;
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  /** Signs each event. */
  readonly signer: Signer;
  /** That may have signed those before: keys are rotated. */
  readonly keys: readonly PublicKey[];
  readonly clock: Clock;
}

export interface Published {
  readonly model: string;
  readonly version: string;
  readonly manifest: BlobRef;
}

/** Files that a bundle names and nobody has put yet. */
export interface Lacking {
  readonly lacking: readonly BlobRef[];
}

export interface Registry extends BundleDirectory {
  /**
   * Takes a bundle in: its files must be whole blobs by now, else it says which are lacking and does nothing. The same
   * bytes again are the same version. Fails with `invalid_argument` where the version is another's bytes.
   */
  publish(
    manifest: Uint8Array,
    by: string,
    lineage?: Pick<Description['lineage'], 'revision' | 'run'>,
  ): Promise<Result<Published | Lacking>>;
  /** Whether a bundle of a version that may still run has this file. */
  keeps(digest: string): boolean;
  models(): Promise<Result<readonly string[]>>;
  /** Fails with `model_not_found`. */
  model(name: string): Promise<Result<ModelState>>;
  /** By version, or by alias. Fails with `model_not_found`. */
  version(model: string, versionOrAlias: string): Promise<Result<ModelVersion>>;
  /** Of a bundle that a version names. */
  manifest(bundle: BlobRef): Promise<Result<Manifest>>;
  compare(model: string, from: string, to: string): Promise<Result<Comparison>>;
  /** `undefined`: takes it away. */
  moveAlias(
    model: string,
    alias: string,
    version: string | undefined,
    by: string,
  ): Promise<Result<void>>;
  setState(
    model: string,
    version: string,
    state: VersionState,
    reason: string,
    by: string,
  ): Promise<Result<void>>;
  /** What has happened to a model, each event verified. */
  history(model: string): Promise<Result<readonly ModelEvent[]>>;
}

/** Beside the models' own paths. */
const filesPath = 'files';
/** Keeps a blob and shows it to no device. */
const cloudOwner = 'registry';
const eventsPerReadMax = 1_000;

/** A history is kept whole. Beyond it only what takes something away is taken, which comes to an end. [REG9] */
export interface RegistryBounds {
  /** Of one model. */
  readonly eventsMax: number;
  readonly modelsMax: number;
}
const registryBounds: RegistryBounds = { eventsMax: 10_000, modelsMax: 1_000 };
/** Others that write to the same log at the same moment. */
const appendsMax = 5;

interface Known {
  readonly state: ModelState;
  readonly events: readonly ModelEvent[];
}

export function createRegistry(
  ports: RegistryPorts,
  { eventsMax, modelsMax } = registryBounds,
): Registry {
  const { logs, blobs, references, clock } = ports;
  const keys = [ports.signer.publicKey, ...ports.keys];
  const known = new Map<string, Known>();

  /** What is new in the log, verified, onto what is known of it. */
  const read = async (model: string): Promise<Result<Known>> => {
    let now = known.get(model) ?? { state: noEvents, events: [] };
    for (;;) {
      const page = await logs.read(model, now.state.events, eventsPerReadMax);
      if (!page.ok) return page;
      const { events: texts } = page.value;
      for (const text of texts) {
        const event = openEvent(text, keys);
        if (!event.ok) return event;
        const state = foldModel(model, now.state, event.value, sha256(utf8(text)));
        if (!state.ok) return err(failure('storage_failed', `${model}: ${state.error.message}`));
        now = { state: state.value, events: [...now.events, event.value] };
      }
      if (texts.length < eventsPerReadMax) break;
    }
    if (now.state.events > 0) known.set(model, now);
    return ok(now);
  };

  const modelOf = async (name: string): Promise<Result<Known>> => {
    const now = await read(name);
    return now.ok && now.value.state.events === 0
      ? err(failure('model_not_found', `no model ${name}`))
      : now;
  };

  const append = async (
    model: string,
    make: (state: ModelState) => Result<Unchained | undefined>,
  ): Promise<Result<void>> => {
    for (let attempt = 0; attempt < appendsMax; attempt++) {
      const now = await read(model);
      if (!now.ok) return now;
      const { state } = now.value;
      const made = make(state);
      if (!made.ok) return made;
      if (made.value === undefined) return ok(undefined);
      if (state.events >= eventsMax && !takesAway(made.value)) return err(isFull(model, eventsMax));
      const event: ModelEvent = {
        ...made.value,
        model,
        ...(state.last && { previous: state.last }),
      };
      const text = await sealEvent(event, ports.signer);
      if (!text.ok) return text;
      const follows = foldModel(model, state, event, sha256(utf8(text.value)));
      if (!follows.ok) return follows;
      const appended = await logs.append(model, state.events, [text.value]);
      if (!appended.ok) return appended;
      if (appended.value) return ok(undefined);
    }
    return err(failure('overloaded', `others keep changing model ${model}`));
  };

  const find = (state: ModelState, model: string, versionOrAlias: string): Result<ModelVersion> => {
    const version = state.aliases.get(versionOrAlias) ?? versionOrAlias;
    const found = state.versions.get(version);
    return found === undefined
      ? err(failure('model_not_found', `model ${model} has no version ${versionOrAlias}`))
      : ok(found);
  };

  const versionOf = async (
    model: string,
    versionOrAlias: string,
  ): Promise<Result<ModelVersion>> => {
    const now = await modelOf(model);
    return now.ok ? find(now.value.state, model, versionOrAlias) : now;
  };

  const lackingOf = async (files: readonly BlobRef[]): Promise<Result<readonly BlobRef[]>> => {
    const held = collect(await Promise.all(files.map(async (file) => blobs.holding(file.digest))));
    if (!held.ok) return held;
    return ok(
      files.filter(({ bytes }, i) => {
        const holding = held.value[i];
        return holding?.kind !== 'whole' || holding.bytes !== bytes;
      }),
    );
  };

  /**
   * Referred to before anything names them: nobody evicts them then. What devices run, every device may have; what the
   * cloud runs, none.
   */
  const keep = async ({ edge, cloud }: BundleFiles): Promise<Result<void>> => {
    for (const [refs, owner] of [
      [edge, audiences.models],
      [cloud, cloudOwner],
    ] as const)
      for (const { digest } of refs) {
        const added = await references.add(digest, owner);
        if (!added.ok) return added;
      }
    return ok(undefined);
  };

  /** Fails where the version is other bytes already, or there is no room for it: before anything of it is kept. */
  const heldAs = async (model: string, version: string, digest: string): Promise<Result<void>> => {
    const now = await read(model);
    if (!now.ok) return now;
    const { versions, events } = now.value.state;
    const held = versions.get(version)?.manifest.digest;
    if (held !== undefined)
      return held === digest
        ? ok(undefined)
        : err(failure('invalid_argument', `version ${version} of ${model} is ${held} for ever`));
    if (events >= eventsMax) return err(isFull(model, eventsMax));
    const models = events === 0 ? await logs.list() : ok([]);
    if (!models.ok) return models;
    return models.value.length < modelsMax
      ? ok(undefined)
      : err(failure('too_large', `${modelsMax} models are the most that a registry has`));
  };

  /** What no version that may still run names is nobody's any more. */
  const letGo = async (model: string, version: string): Promise<Result<void>> => {
    const gone = await namedBy(model, [version]);
    if (!gone.ok) return gone;
    const wanted = new Set<string>();
    const models = await logs.list();
    if (!models.ok) return models;
    for (const name of models.value) {
      const now = await read(name);
      if (!now.ok) return now;
      const { versions } = now.value.state;
      const others = [...versions.values()].filter(({ state }) => state !== 'decommissioned');
      const named = await namedBy(
        name,
        others.map((other) => other.version),
      );
      if (!named.ok) return named;
      for (const digest of named.value) wanted.add(digest);
    }
    for (const digest of gone.value.filter((one) => !wanted.has(one)))
      for (const owner of [audiences.models, cloudOwner]) {
        const dropped = await references.drop(digest, owner);
        if (!dropped.ok) return dropped;
      }
    return ok(undefined);
  };

  /** Its manifest stays, for the record. */
  const namedBy = async (
    model: string,
    versions: readonly string[],
  ): Promise<Result<readonly string[]>> => {
    const digests: string[] = [];
    for (const version of versions) {
      const found = await versionOf(model, version);
      if (!found.ok) return found;
      const manifest = await manifestOf(found.value.manifest);
      if (!manifest.ok) return manifest;
      const { edge, cloud } = filesOf(manifest.value);
      digests.push(...[...edge, ...cloud].map(({ digest }) => digest));
    }
    return ok(digests);
  };

  const manifestOf = async ({ digest, bytes }: BlobRef): Promise<Result<Manifest>> => {
    const read = await blobs.read(digest, 0, bytes);
    return read.ok ? readManifest(read.value) : read;
  };

  const store = async (bytes: Uint8Array): Promise<Result<BlobRef>> => {
    const ref = { digest: sha256(bytes), bytes: bytes.length };
    const stored = await storeBytes(blobs, ref, bytes);
    return stored.ok ? ok(ref) : stored;
  };

  return {
    async publish(bytes, by, lineage = {}) {
      const manifest = readManifest(bytes);
      if (!manifest.ok) return manifest;
      const { name, version } = manifest.value;
      if (name === filesPath)
        return err(failure('invalid_argument', `no model is named ${filesPath}: files lie there`));
      const digest = sha256(bytes);
      const held = await heldAs(name, version, digest);
      if (!held.ok) return held;
      const files = filesOf(manifest.value);
      const all = [...files.edge, ...files.cloud];
      const before = await lackingOf(all);
      if (!before.ok) return before;
      if (before.value.length > 0) return ok({ lacking: before.value });
      const kept = await keep(files);
      if (!kept.ok) return kept;
      // Before it was referred to, one may have been evicted.
      const lacking = await lackingOf(all);
      if (!lacking.ok) return lacking;
      if (lacking.value.length > 0) return ok({ lacking: lacking.value });
      const ref = await store(bytes);
      if (!ref.ok) return ref;
      const own = await keep({ edge: [ref.value], cloud: [] });
      if (!own.ok) return own;
      const description = describeManifest(manifest.value, lineage);
      const appended = await append(name, (state) => {
        if (state.versions.get(version)?.manifest.digest === digest) return ok(undefined);
        const atMs = clock.nowMs();
        return ok({ kind: 'published', atMs, by, version, manifest: ref.value, description });
      });
      return appended.ok ? ok({ model: name, version, manifest: ref.value }) : appended;
    },

    keeps: (digest) =>
      references.owners(digest).some((owner) => [audiences.models, cloudOwner].includes(owner)),

    models: () => logs.list(),

    async model(name) {
      const now = await modelOf(name);
      return now.ok ? ok(now.value.state) : now;
    },

    version: versionOf,

    manifest: manifestOf,

    async compare(model, from, to) {
      const versions = collect([await versionOf(model, from), await versionOf(model, to)]);
      if (!versions.ok) return versions;
      const [a, b] = versions.value as [ModelVersion, ModelVersion];
      return ok(compareVersions(a, b));
    },

    moveAlias: (model, alias, version, by) =>
      append(model, (state) => {
        if (state.events === 0) return err(failure('model_not_found', `no model ${model}`));
        if (version !== undefined && state.aliases.get(alias) === version) return ok(undefined);
        return ok({
          kind: 'alias-moved',
          atMs: clock.nowMs(),
          by,
          alias,
          ...(version === undefined ? {} : { version }),
        });
      }),

    async setState(model, version, state, reason, by) {
      const changed = await append(model, () =>
        ok({ kind: 'state-changed', atMs: clock.nowMs(), by, version, state, reason }),
      );
      return changed.ok && state === 'decommissioned' ? letGo(model, version) : changed;
    },

    async history(model) {
      const now = await modelOf(model);
      return now.ok ? ok(now.value.events) : now;
    },

    async resolve(model, versionOrAlias) {
      const found = await versionOf(model, versionOrAlias);
      if (!found.ok) return found;
      const { version, manifest: bundle, state } = found.value;
      if (state !== 'active')
        return err(failure('invalid_argument', `version ${version} of ${model} is ${state}`));
      return ok({ version, bundle, target: bundleTargetPath(model, version) });
    },

    async byDigest(model, digest) {
      const now = await read(model);
      if (!now.ok) return now;
      const found = [...now.value.state.versions.values()].find(
        ({ manifest }) => manifest.digest === digest,
      );
      if (found === undefined) return ok(undefined);
      const { version, manifest: bundle } = found;
      return ok({ version, bundle, target: bundleTargetPath(model, version) });
    },
  };
}

const isFull = (model: string, eventsMax: number) =>
  failure(
    'too_large',
    `the history of ${model} has ${eventsMax} events, the most that one model has: go on under another name; what is there can still be taken away`,
  );

/** An alias, or a version from use: each can be taken away once, where nothing is given. */
const takesAway = (event: Unchained): boolean =>
  (event.kind === 'alias-moved' && event.version === undefined) ||
  (event.kind === 'state-changed' && event.state !== 'active');

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
