// The coordinator's blobs, put together: the store in a folder, served over HTTP and in chunks over MQTT.

import { join } from 'node:path';
import type { Clock, FailureCode, Log, Result } from '@skerry/shared';
import { ok } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  blobBoundsDefaults,
  createChunkServer,
  createServeBlob,
  type ServeBlob,
  scrubDaily,
} from '@skerry/sync-protocol/blobs';
import {
  createSha256,
  openFileBlobReferences,
  openFileBlobStore,
} from '@skerry/sync-protocol/node';
import { type BlobInputs, createBlobInputs } from '../infer/blob-inputs.ts';
import type { CoordinatorChunkPipe } from './mqtt-transport.ts';

export interface BlobsConfig {
  readonly dataDir: string;
  readonly blobQuotaBytes: number;
  readonly blobBytesMax: number;
  readonly blobTransfersMax: number;
}

export interface BlobsPorts {
  /** For chunks. */
  readonly pipe: CoordinatorChunkPipe;
  readonly clock: Clock;
  readonly log: Log;
  onDropped(code: FailureCode): void;
}

export interface Blobs {
  readonly serveBlob: ServeBlob;
  readonly inputs: BlobInputs;
  close(): void;
}

export async function openBlobs(config: BlobsConfig, ports: BlobsPorts): Promise<Result<Blobs>> {
  const { pipe, clock, log, onDropped } = ports;
  const folder = join(config.dataDir, 'blobs');
  const references = await openFileBlobReferences(join(folder, 'references'));
  if (!references.ok) return references;
  const opened = await openFileBlobStore(
    folder,
    { ...blobBoundsDefaults, quotaBytesMax: config.blobQuotaBytes },
    {
      nowMs: clock.nowMs,
      isReferenced: references.value.has,
      onEvicted: ({ digest, bytes }) => log.info({ digest, bytes }, 'blob evicted'),
    },
  );
  if (!opened.ok) return opened;
  const store = opened.value;
  const bounds = { bytesMax: config.blobBytesMax, devicesMax: config.blobTransfersMax };
  const chunks = createChunkServer({ store, sha256, send: pipe.send, log, onDropped }, bounds);
  pipe.onMessage(chunks.handle);
  const stopScrubbing = scrubDaily(store, createSha256, { clock, log });
  return ok({
    serveBlob: createServeBlob(store, { ...bounds, uploadsMax: config.blobTransfersMax }),
    inputs: createBlobInputs({
      blobsOf: () => store,
      references: references.value,
      log,
    }),
    close: stopScrubbing,
  });
}
