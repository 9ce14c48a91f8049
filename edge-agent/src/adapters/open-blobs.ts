// The device's blobs, put together: the store in a folder, HTTP first where the coordinator's address is known, chunks
// over MQTT where it is not or does not answer, and ops that wait for their blob. What an update wants is asked of the
// site's relay before, and a relay keeps it for its neighbours.

import { join } from 'node:path';
import { type Clock, type Log, ok, type Random, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { DeviceStore } from '@skerry/sync-protocol';
import {
  type BlobStore,
  blobBoundsDefaults,
  blobBytesMax,
  type ChunkPipe,
  createChunkWire,
  createPacer,
  createServeBlob,
  forgetClaims,
  scrubDaily,
  storeBytes,
} from '@skerry/sync-protocol/blobs';
import {
  createSha256,
  openFileBlobReferences,
  openFileBlobStore,
} from '@skerry/sync-protocol/node';
import type { Hono } from 'hono';
import { blobRoutes } from '../http/blobs.ts';
import type { OfferBlobs } from '../retrieve/travel/offer-collections.ts';
import { keepCopies } from '../sync/keep-copies.ts';
import { createLargeInputs, type LargeInputs } from '../sync/large-inputs.ts';
import { createServeCopies, type ServeCopy } from '../sync/serve-copies.ts';
import { createTransfers } from '../sync/transfers.ts';
import { createUploadFirst } from '../sync/upload-first.ts';
import type { UpdateBlobs } from '../update/update-ports.ts';
import type { Fetch } from './coordinator-fetch.ts';
import { createHttpBlobWire } from './http-blob-wire.ts';
import { createLearnBlobs, type LearnTransport } from './open-learning.ts';
import { copiesPathOf } from './relay-listener.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { createSqliteHeldOps } from './sqlite-held-ops.ts';

export interface BlobsConfig {
  readonly dataDir: string;
  readonly site: string;
  readonly relayUrl?: string | undefined;
  readonly relayPort?: number | undefined;
  readonly relayBlobBytes: number;
  readonly relayBlobBytesPerSecond: number;
  readonly relayBlobReads: number;
  readonly coordinatorUrl?: string | undefined;
  readonly blobQuotaBytes: number;
  readonly blobBytesPerSecond: number;
}

export interface BlobsPorts {
  readonly database: SqliteDatabase;
  readonly store: DeviceStore;
  /** To the coordinator. */
  readonly fetch: Fetch;
  /** To the site's relay, where there is one. */
  readonly relayFetch?: Fetch | undefined;
  /** For chunks, where only MQTT passes. */
  readonly pipe: ChunkPipe;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onAppended: () => void;
}

export interface Blobs {
  readonly routes: Hono;
  readonly largeInputs: LargeInputs;
  readonly updates: UpdateBlobs;
  readonly collections: UpdateBlobs & OfferBlobs;
  readonly learning: LearnTransport;
  /** To neighbours, where this agent is the site's relay. */
  readonly serveCopy: ServeCopy | undefined;
  close(): Promise<void>;
}

const heldOpsMax = 10_000;
const transferBounds = { movingMax: 2, transfersMax: 256 };
const localUploadsMax = 4;
/** The relay is near: whoever is silent for so long is away. */
const nearStallMs = 5_000;

export async function openBlobs(config: BlobsConfig, ports: BlobsPorts): Promise<Result<Blobs>> {
  const { database, fetch, clock, random, log } = ports;
  const folder = join(config.dataDir, 'blobs');
  const references = await openFileBlobReferences(join(folder, 'references'));
  if (!references.ok) return references;
  const heldOps = createSqliteHeldOps(database, heldOpsMax);
  const isHeld = (digest: string): boolean =>
    heldOps.list().some(({ blob }) => blob.digest === digest);
  /** What updates are fetching. */
  const wanted = new Set<string>();
  /** What a round is fetching. */
  const learned = new Set<string>();
  const opened = await openFileBlobStore(
    folder,
    { ...blobBoundsDefaults, quotaBytesMax: config.blobQuotaBytes },
    {
      nowMs: clock.nowMs,
      isReferenced: (digest) =>
        [references.value, wanted, learned].some((kept) => kept.has(digest)) || isHeld(digest),
      onEvicted: ({ digest, bytes }) => log.info({ digest, bytes }, 'blob evicted'),
    },
  );
  if (!opened.ok) return opened;
  const store = opened.value;
  const pacer = createPacer(config.blobBytesPerSecond, clock);
  const chunks = createChunkWire({ pipe: ports.pipe, store, pacer, clock, sha256, log });
  const { coordinatorUrl: baseUrl } = config;
  const http =
    baseUrl === undefined ? [] : [createHttpBlobWire({ baseUrl, fetch, store, pacer, clock })];
  const transfers = createTransfers(
    { wires: [...http, chunks], near: openNear(config, ports, store), clock, random, log },
    transferBounds,
  );
  const uploadFirst = createUploadFirst({
    store: ports.store,
    heldOps,
    transfers,
    log,
    onAppended: ports.onAppended,
  });
  const serveBlob = createServeBlob(store, { bytesMax: blobBytesMax, uploadsMax: localUploadsMax });
  const updates: UpdateBlobs = {
    ...store,
    fetch(ref) {
      wanted.add(ref.digest);
      return transfers.fetch(ref, 'near');
    },
    drop(ref) {
      wanted.delete(ref.digest);
      transfers.drop(ref);
    },
    remove(digest) {
      wanted.delete(digest);
      return store.remove(digest);
    },
    release: (digest) => updates.remove(digest),
  };
  const openKept = async () => {
    if (config.relayPort === undefined) return ok(undefined);
    const shown = await openFileBlobReferences(join(folder, 'shown'));
    if (!shown.ok) return shown;
    const forgotten = await forgetClaims(store, shown.value);
    if (!forgotten.ok) return forgotten;
    const isComing = transfers.isComing;
    const keeping = { updates, store, shown: shown.value, wanted, isComing, clock };
    return ok(keepCopies(keeping, config.relayBlobBytes));
  };
  const kept = await openKept();
  if (!kept.ok) return kept;
  const stopScrubbing = scrubDaily(store, createSha256, { clock, log });
  return ok({
    routes: blobRoutes({ serveBlob, transfers }),
    updates: kept.value?.updates ?? updates,
    collections: {
      ...(kept.value?.updates ?? updates),
      async sendUp(ref, bytes) {
        wanted.add(ref.digest);
        const stored = await storeBytes(store, ref, bytes);
        const sent = stored.ok ? await transfers.send(ref) : stored;
        wanted.delete(ref.digest);
        const removed = await store.remove(ref.digest);
        return sent.ok ? removed : sent;
      },
    },
    learning: { blobs: createLearnBlobs(store, transfers, learned), uploadFirst },
    serveCopy:
      kept.value &&
      createServeCopies(
        { store, clock, ...kept.value },
        {
          readsMax: config.relayBlobReads,
          bytesPerSecondMax: config.relayBlobBytesPerSecond,
        },
      ),
    largeInputs: createLargeInputs({ blobs: store, uploadFirst, sha256, clock }),
    async close() {
      stopScrubbing();
      await transfers.close();
    },
  });
}

/** What is near costs the link to the coordinator nothing, and its cap does not count it. */
function openNear(
  { relayUrl: baseUrl, site }: BlobsConfig,
  { relayFetch: fetch, clock }: BlobsPorts,
  store: BlobStore,
) {
  if (baseUrl === undefined || fetch === undefined) return undefined;
  const pacer = createPacer(0, clock);
  const wire = { name: 'site', path: copiesPathOf(site), stallMs: nearStallMs };
  return createHttpBlobWire({ ...wire, baseUrl, fetch, store, pacer, clock });
}
