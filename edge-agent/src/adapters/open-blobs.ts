// The device's blobs, put together: the store in a folder, HTTP first where the coordinator's address is known, chunks
// over MQTT where it is not or does not answer, and ops that wait for their blob.

import { join } from 'node:path';
import { type Clock, type Log, ok, type Random, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { DeviceStore } from '@skerry/sync-protocol';
import {
  blobBoundsDefaults,
  blobBytesMax,
  type ChunkPipe,
  createChunkWire,
  createPacer,
  createServeBlob,
  scrubDaily,
} from '@skerry/sync-protocol/blobs';
import {
  createSha256,
  openFileBlobReferences,
  openFileBlobStore,
} from '@skerry/sync-protocol/node';
import type { Hono } from 'hono';
import { blobRoutes } from '../http/blobs.ts';
import { createLargeInputs, type LargeInputs } from '../sync/large-inputs.ts';
import { createTransfers } from '../sync/transfers.ts';
import { createUploadFirst } from '../sync/upload-first.ts';
import type { UpdateBlobs } from '../update/update-ports.ts';
import type { Fetch } from './coordinator-fetch.ts';
import { createHttpBlobWire } from './http-blob-wire.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { createSqliteHeldOps } from './sqlite-held-ops.ts';

export interface BlobsConfig {
  readonly dataDir: string;
  readonly coordinatorUrl?: string | undefined;
  readonly blobQuotaBytes: number;
  readonly blobBytesPerSecond: number;
}

export interface BlobsPorts {
  readonly database: SqliteDatabase;
  readonly store: DeviceStore;
  /** To the coordinator. */
  readonly fetch: Fetch;
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
  close(): Promise<void>;
}

const heldOpsMax = 10_000;
const transferBounds = { movingMax: 2, transfersMax: 256 };
const localUploadsMax = 4;

export async function openBlobs(config: BlobsConfig, ports: BlobsPorts): Promise<Result<Blobs>> {
  const { database, fetch, clock, random, log } = ports;
  const folder = join(config.dataDir, 'blobs');
  const references = await openFileBlobReferences(join(folder, 'references'));
  if (!references.ok) return references;
  const heldOps = createSqliteHeldOps(database, heldOpsMax);
  const isHeld = (digest: string): boolean =>
    heldOps.list().some(({ blob }) => blob.digest === digest);
  /** What an update is fetching. */
  const wanted = new Set<string>();
  const opened = await openFileBlobStore(
    folder,
    { ...blobBoundsDefaults, quotaBytesMax: config.blobQuotaBytes },
    {
      nowMs: clock.nowMs,
      isReferenced: (digest) =>
        references.value.has(digest) || isHeld(digest) || wanted.has(digest),
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
    { wires: [...http, chunks], clock, random, log },
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
  const stopScrubbing = scrubDaily(store, createSha256, { clock, log });
  return ok({
    routes: blobRoutes({ serveBlob, transfers }),
    updates: {
      ...store,
      fetch(ref) {
        wanted.add(ref.digest);
        return transfers.fetch(ref);
      },
      drop(ref) {
        wanted.delete(ref.digest);
        transfers.drop(ref);
      },
      remove(digest) {
        wanted.delete(digest);
        return store.remove(digest);
      },
    },
    largeInputs: createLargeInputs({ blobs: store, uploadFirst, sha256, clock }),
    async close() {
      stopScrubbing();
      await transfers.close();
    },
  });
}
