// The deltas that lie ready: made before a rollout begins, from the bundles that most devices run, each a blob. What
// cannot be made costs bytes and nothing else, for the whole file always serves.

import type { Manifest } from '@skerry/models';
import { deltaFormOf, deltaTargetBytesMax } from '@skerry/models/node';
import { err, failure, type Log, messageOf, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  audiences,
  type BlobRef,
  type BlobReferences,
  type BlobStore,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import { deltaOffersMax } from '@skerry/sync-protocol/update';
import type { MadeDelta } from '../rollouts/index.ts';
import { planDeltas, type WantedDelta } from './plan-deltas.ts';

export interface DeltasPorts {
  readonly blobs: BlobStore;
  readonly references: BlobReferences;
  /** By bundle digest, where the registry has it. */
  readonly manifestOf: (model: string, bundle: string) => Promise<Result<Manifest | undefined>>;
  /** How many devices run which bundle of a model. */
  readonly running: (model: string) => Promise<Result<ReadonlyMap<string, number>>>;
  /** For the deltas of one bundle. */
  readonly openDeltaMaker: () => DeltaMaker;
  readonly log: Log;
}

/** @skerry/models/node has it. What it is told of the files' digests it believes. */
export interface DeltaMaker {
  make(
    target: Uint8Array,
    base: Uint8Array | undefined,
    digests: { readonly target: string; readonly base: string | undefined },
    signal: AbortSignal,
  ): Promise<Result<Uint8Array>>;
  close(): void;
}

export interface Deltas {
  /**
   * Makes what is worth it and does not lie ready, one after the other; returns what does then. Twice at once is once.
   * What failed is tried again when it is called again. Never rejects: whoever calls it need not wait.
   */
  prepare(model: string, bundle: string): Promise<Result<readonly MadeDelta[]>>;
  /** What lies ready now. */
  offersTo(bundle: string): readonly MadeDelta[];
  close(): void;
}

/** A delta that saves less is not worth its risk. */
const worthShare = 0.95;
/** Bundles whose offers are kept in mind; those of the one that was prepared first go. */
const bundlesMax = 64;

export function createDeltas(ports: DeltasPorts): Deltas {
  const { blobs, references, log } = ports;
  const closing = new AbortController();
  const ready = new Map<string, readonly MadeDelta[]>();
  const underWay = new Map<string, Promise<Result<readonly MadeDelta[]>>>();

  const readFile = async ({ digest, bytes }: BlobRef): Promise<Result<Uint8Array>> =>
    bytes > deltaTargetBytesMax
      ? err(failure('too_large', `${digest} has ${bytes} bytes`))
      : blobs.read(digest, 0, bytes);

  const make = async (
    { target, base }: WantedDelta,
    maker: DeltaMaker,
  ): Promise<Result<MadeDelta | undefined>> => {
    const to = await readFile(target);
    if (!to.ok) return to;
    const from = base && (await readFile(base));
    if (from?.ok === false) return from;
    const digests = { target: target.digest, base: base?.digest };
    const delta = await maker.make(to.value, from?.value, digests, closing.signal);
    if (!delta.ok) return delta;
    if (delta.value.length > worthShare * target.bytes) return ok(undefined);
    const form = deltaFormOf(delta.value);
    if (form === undefined) return err(failure('internal', 'what was made is no delta'));
    const blob = { digest: sha256(delta.value), bytes: delta.value.length };
    const referred = await references.add(blob.digest, audiences.deltas);
    if (!referred.ok) return referred;
    const stored = await storeBytes(blobs, blob, delta.value);
    if (!stored.ok) return stored;
    const offer = { target: target.digest, blob, ...(base && { base: base.digest }) };
    return ok({ form, offer });
  };

  const wantedFor = async (
    model: string,
    bundle: string,
  ): Promise<Result<readonly WantedDelta[]>> => {
    const target = await ports.manifestOf(model, bundle);
    if (!target.ok) return target;
    if (target.value === undefined) return err(failure('not_found', `no bundle ${bundle}`));
    const running = await ports.running(model);
    if (!running.ok) return running;
    const bases: { manifest: Manifest; devices: number }[] = [];
    for (const [digest, devices] of running.value) {
      if (digest === bundle) continue;
      const manifest = await ports.manifestOf(model, digest);
      if (!manifest.ok) log.warn({ model, bundle: digest }, manifest.error.message);
      else if (manifest.value !== undefined) bases.push({ manifest: manifest.value, devices });
    }
    return ok(planDeltas(target.value, bases, deltaOffersMax));
  };

  /** Nobody refers to them then: whoever needs room may take theirs. */
  const forget = async (bundle: string): Promise<void> => {
    const offers = ready.get(bundle) ?? [];
    ready.delete(bundle);
    const wanted = new Set([...ready.values()].flat().map(({ offer }) => offer.blob.digest));
    for (const {
      offer: { blob },
    } of offers)
      if (!wanted.has(blob.digest)) await references.drop(blob.digest, audiences.deltas);
  };

  const makeAll = async (
    model: string,
    bundle: string,
    wanted: readonly WantedDelta[],
    maker: DeltaMaker,
  ): Promise<void> => {
    for (const delta of wanted) {
      const known = ready.get(bundle) ?? [];
      const { base, target } = delta;
      const isMade = ({ offer }: MadeDelta) =>
        offer.base === base?.digest && offer.target === target.digest;
      if (known.some(isMade)) continue;
      const made = await make(delta, maker);
      if (!made.ok) log.warn({ model, bundle, code: made.error.code }, made.error.message);
      else if (made.value !== undefined) ready.set(bundle, [...known, made.value]);
    }
  };

  const prepare = async (model: string, bundle: string): Promise<Result<readonly MadeDelta[]>> => {
    const wanted = await wantedFor(model, bundle);
    if (!wanted.ok) return wanted;
    const maker = ports.openDeltaMaker();
    try {
      await makeAll(model, bundle, wanted.value, maker);
    } finally {
      maker.close();
    }
    const [oldest] = ready.keys();
    if (ready.size > bundlesMax && oldest !== undefined) await forget(oldest);
    log.info({ model, bundle, offers: ready.get(bundle)?.length ?? 0 }, 'deltas lie ready');
    return ok(ready.get(bundle) ?? []);
  };

  return {
    prepare(model, bundle) {
      const known = underWay.get(bundle);
      if (known !== undefined) return known;
      const preparing = prepare(model, bundle)
        .catch((thrown: unknown) => {
          const failed = failure('internal', messageOf(thrown));
          log.error({ model, bundle, code: failed.code }, failed.message);
          return err(failed);
        })
        .finally(() => underWay.delete(bundle));
      underWay.set(bundle, preparing);
      return preparing;
    },
    offersTo: (bundle) => ready.get(bundle) ?? [],
    close: () => closing.abort(),
  };
}
