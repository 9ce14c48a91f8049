// A device that takes updates, and the cloud that it takes them from: bundles that are published, a director who signs,
// and one life after the other on the same disk.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeSampleBundle } from '@skerry/models/testing';
import {
  assert,
  createRandom,
  defined,
  err,
  failure,
  ok,
  type Result,
  silentLog,
} from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, type VirtualClock } from '@skerry/shared/testing';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  createMemoryBlobStore,
  type MemoryBlobDisk,
  sampleAssignment,
  sampleModelAssignment,
} from '@skerry/sync-protocol/testing';
import type { Assignment, ModelAssignment } from '@skerry/sync-protocol/update';
import type { UpdateTrust } from '../update/update-ports.ts';
import { type LifeWorld, startLife, type UpdateLife } from './update-life.ts';

export const sampleDevice = { device: 'device-1', model: 'sample' } as const;

export interface PublishedBundle {
  readonly version: string;
  readonly folder: string;
  readonly manifest: BlobRef;
  readonly files: readonly BlobRef[];
  /** What it says to the golden question. */
  readonly logit: number;
  /** For an assignment. */
  readonly terms: Pick<ModelAssignment, 'version' | 'target' | 'bundle' | 'model'>;
}

export interface UpdateWorld {
  readonly clock: VirtualClock;
  readonly folder: string;
  /** Bundles that may run, by what they say to the golden question. */
  readonly signed: Map<string, number>;
  readonly factory: PublishedBundle;
  /** Faults and settings, to be changed between and during lives. */
  readonly set: {
    dies: LifeWorld['dies'];
    isFull: boolean;
    linkUp: boolean;
    metered: boolean;
    freeBytes?: number;
    /** In place of the bytes that a digest names. */
    corrupt: Map<string, Uint8Array>;
    /** Digests that the cloud does not have. */
    absent: Set<string>;
    /** What an envelope names that nobody has verified yet. */
    metadata?: BlobRef;
    /** No blob can be had just now. */
    unreachable?: boolean;
    trustFails?: ReturnType<typeof failure>;
    /** In place of the world's own, which knows signers by name. */
    trust?: UpdateTrust;
    /** Whose signature the newest root takes. */
    directors: ReadonlySet<string>;
    applyDelta?: LifeWorld['applyDelta'];
  };
  /** Digests that the cloud was asked for. */
  readonly fetched: string[];
  /** Of these, what no life has dropped, released or removed. */
  readonly wanted: ReadonlySet<string>;
  /** Bundles that the trust was told to be confirmed. */
  readonly confirmed: readonly string[];
  /** Versions that were loaded and passed their golden inputs. */
  readonly loads: string[];
  publish(version: string, scale: number): Promise<PublishedBundle>;
  /** Bytes that the cloud has for whoever asks. */
  upload(bytes: Uint8Array): BlobRef;
  /** The targets role has signed it. */
  sign(bundle: PublishedBundle): void;
  unsign(bundle: PublishedBundle): void;
  /** In an envelope that the director has signed, or somebody else. */
  assignment(
    bundle: PublishedBundle | undefined,
    more?: Partial<Assignment>,
    terms?: Partial<ModelAssignment>,
    signer?: string,
  ): Uint8Array;
  start(): Promise<Result<UpdateLife>>;
  /** Lets time pass until it holds, or the life ends; fails where neither comes. */
  until(life: UpdateLife, holds: () => boolean | Promise<boolean>, asks?: boolean): Promise<void>;
  close(): Promise<void>;
}

const secondsMax = 3_000;

export async function createUpdateWorld(): Promise<UpdateWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-update-'));
  const clock = createVirtualClock(1_780_000_000_000);
  const random = createRandom(1);
  const cloud = new Map<string, Uint8Array>();
  const targets = new Map<string, BlobRef>();
  const signed = new Map<string, number>();
  const fetched: string[] = [];
  const wanted = new Set<string>();
  const loads: string[] = [];
  const blobDisk: MemoryBlobDisk = new Map();
  const lives: UpdateLife[] = [];
  let counter = 0;

  const upload = (bytes: Uint8Array): BlobRef => {
    const digest = sha256(bytes);
    cloud.set(digest, bytes);
    return { digest, bytes: bytes.length };
  };

  const write = async (at: string, version: string, scale: number): Promise<PublishedBundle> => {
    await writeSampleBundle(at, 4, { version, scale });
    const names = (await readdir(at)).filter((name) => name !== 'manifest.json');
    const files: BlobRef[] = [];
    for (const name of names) files.push(upload(await readFile(join(at, name))));
    const manifest = upload(await readFile(join(at, 'manifest.json')));
    const target = `${sampleDevice.model}/${version}/manifest.json`;
    const terms = { model: sampleDevice.model, version, target, bundle: manifest };
    return { version, folder: at, manifest, files, logit: 32 / scale, terms };
  };

  const set: UpdateWorld['set'] = {
    dies: () => false,
    isFull: false,
    linkUp: true,
    metered: false,
    corrupt: new Map(),
    absent: new Set(),
    directors: new Set(['director']),
  };
  let directors = set.directors;

  const confirmed: string[] = [];
  // Stands for the two roles of edge-agent/src/update/trust: who signs is a name here.
  const trust: UpdateTrust = {
    async verifyAssignment(envelope) {
      const { signer, payload } = JSON.parse(new TextDecoder().decode(envelope));
      return directors.has(signer)
        ? ok(new TextEncoder().encode(payload))
        : err(failure('untrusted', `${signer} has signed it`));
    },
    async refresh() {
      if (set.trustFails !== undefined) return err(set.trustFails);
      directors = set.directors;
      return ok(undefined);
    },
    metadataOf: () => set.metadata,
    async target(path) {
      const ref = targets.get(path);
      return ref === undefined ? err(failure('not_found', `no target ${path}`)) : ok(ref);
    },
    async evidence(path, kept) {
      if (kept !== undefined) return ok(kept);
      const ref = targets.get(path);
      if (ref === undefined) return err(failure('not_found', `no target ${path}`));
      return ok(new TextEncoder().encode(JSON.stringify({ [path]: ref.digest })));
    },
    async verifyEvidence(evidence, path, digest) {
      const kept = evidence && JSON.parse(new TextDecoder().decode(evidence))[path];
      const said = evidence === undefined ? targets.get(path)?.digest : kept;
      return said === digest ? ok(undefined) : err(failure('untrusted', `nobody signed ${path}`));
    },
    async confirmed(_, digest) {
      confirmed.push(digest);
      return ok(undefined);
    },
  };

  const factory = await write(join(folder, 'factory'), '1.0.0', 16);
  signed.set(factory.manifest.digest, factory.logit);
  targets.set(factory.terms.target, factory.manifest);

  const world: UpdateWorld = {
    clock,
    folder,
    signed,
    factory,
    set,
    fetched,
    wanted,
    confirmed,
    loads,
    upload,
    publish: (version, scale) => write(join(folder, `published-${version}`), version, scale),
    sign({ terms, logit }) {
      targets.set(terms.target, terms.bundle);
      signed.set(terms.bundle.digest, logit);
    },
    unsign({ terms }) {
      targets.delete(terms.target);
      signed.delete(terms.bundle.digest);
    },
    assignment(bundle, more = {}, terms = {}, signer = 'director') {
      counter += 1;
      const models = bundle ? [sampleModelAssignment({ ...bundle.terms, ...terms })] : [];
      const payload = JSON.stringify(sampleAssignment({ counter, models, ...more }));
      return new TextEncoder().encode(JSON.stringify({ signer, payload }));
    },
    async start() {
      for (const life of lives.splice(0)) life.kill();
      const started = await startLife(
        {
          folder,
          clock,
          random,
          log: {
            ...silentLog,
            info({ version }, message) {
              if (message === 'model loaded') loads.push(String(version));
            },
          },
          dies: (point) => set.dies(point),
          isFull: () => set.isFull,
          linkUp: () => set.linkUp,
          metered: set.metered,
          wanted,
          fetch(ref) {
            if (set.unreachable) return err(failure('unavailable', 'no link'));
            fetched.push(ref.digest);
            if (set.absent.has(ref.digest))
              return err(failure('not_found', 'the cloud has no such blob'));
            const bytes = set.corrupt.get(ref.digest) ?? cloud.get(ref.digest);
            return ok(defined(bytes, `blob ${ref.digest}`));
          },
          openBlobs: () => createMemoryBlobStore(blobDisk),
          trust: {
            verifyAssignment: (envelope) => (set.trust ?? trust).verifyAssignment(envelope),
            refresh: (...metadata) => (set.trust ?? trust).refresh(...metadata),
            metadataOf: (envelope) => (set.trust ?? trust).metadataOf(envelope),
            target: (path) => (set.trust ?? trust).target(path),
            evidence: (...of) => (set.trust ?? trust).evidence(...of),
            verifyEvidence: (...of) => (set.trust ?? trust).verifyEvidence(...of),
            confirmed: (...of) => (set.trust ?? trust).confirmed(...of),
          },
          ...(set.applyDelta && { applyDelta: set.applyDelta }),
          freeBytes: () => set.freeBytes,
        },
        sampleDevice.model,
      );
      if (started.ok) lives.push(started.value);
      return started;
    },
    async until(life, holds, asks = true) {
      for (let i = 0; i < secondsMax && life.alive(); i++) {
        if (await holds()) return;
        if (asks) await life.ask();
        // Files and sessions take real time; only then does the world's go on.
        await sleep(1);
        while (clock.runNext(clock.nowMs() + 200));
      }
      if (!life.alive()) return;
      const [seen] = life.updates.describe();
      assert(false, `it never came: ${JSON.stringify(seen).slice(0, 400)}`);
    },
    async close() {
      for (const life of lives.splice(0)) life.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}
