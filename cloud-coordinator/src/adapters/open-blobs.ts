// The coordinator's blobs, put together: the store in a folder, served over HTTP and in chunks over MQTT.

import { join } from 'node:path';
import type { Clock, FailureCode, Log, Result } from '@skerry/shared';
import { ok } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import {
  type BlobReferences,
  type BlobStore,
  blobBoundsDefaults,
  createChunkServer,
  createDeviceBlobs,
  createServeBlob,
  type DeviceBlobStore,
  forgetClaims,
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
  readonly blobDeviceBytesMax: number;
}

export interface BlobsPorts {
  /** Whether both wires know a device by its certificate: else each sees all blobs. [BLA5] */
  readonly certified: boolean;
  readonly siteOf: (device: string) => Promise<Result<string | undefined>>;
  /** Whose blobs a device sees beside those that are for it, its site or all. */
  readonly audiencesOf: (device: string) => readonly string[];
  /** For chunks. */
  readonly pipe: CoordinatorChunkPipe;
  readonly clock: Clock;
  readonly log: Log;
  onDropped(code: FailureCode): void;
}

export interface Blobs {
  readonly serveBlob: ServeBlob;
  readonly storeOf: (device: string) => DeviceBlobStore;
  /** Of all. */
  readonly store: BlobStore;
  readonly inputs: BlobInputs;
  readonly references: BlobReferences;
  close(): void;
}

/** Of one device: more than it moves at once. */
const devicePartialsMax = 16;

export async function openBlobs(config: BlobsConfig, ports: BlobsPorts): Promise<Result<Blobs>> {
  const { certified, pipe, clock, log, onDropped } = ports;
  const folder = join(config.dataDir, 'blobs');
  const references = await openFileBlobReferences(join(folder, 'references'));
  if (!references.ok) return references;
  const claims = await openFileBlobReferences(join(folder, 'claims'));
  if (!claims.ok) return claims;
  const opened = await openFileBlobStore(
    folder,
    { ...blobBoundsDefaults, quotaBytesMax: config.blobQuotaBytes },
    {
      nowMs: clock.nowMs,
      isReferenced: references.value.has,
      onEvicted({ digest, bytes }) {
        log.info({ digest, bytes }, 'blob evicted');
        for (const device of claims.value.owners(digest)) void claims.value.drop(digest, device);
      },
    },
  );
  if (!opened.ok) return opened;
  const store = opened.value;
  const forgotten = await forgetClaims(store, claims.value);
  if (!forgotten.ok) return forgotten;
  const deviceBlobs = createDeviceBlobs(
    {
      store,
      references: references.value,
      claims: claims.value,
      audiencesOf: ports.audiencesOf,
      nowMs: clock.nowMs,
      async siteOf(device) {
        const site = await ports.siteOf(device);
        if (!site.ok) log.error({ code: site.error.code }, `a site: ${site.error.message}`);
        return site.ok ? site.value : undefined;
      },
    },
    {
      ...blobBoundsDefaults,
      quotaBytesMax: config.blobDeviceBytesMax,
      partialsMax: devicePartialsMax,
    },
  );
  const storeOf = certified ? deviceBlobs : () => store;
  const bounds = { bytesMax: config.blobBytesMax, devicesMax: config.blobTransfersMax };
  const chunks = createChunkServer({ storeOf, sha256, send: pipe.send, log, onDropped }, bounds);
  pipe.onMessage(chunks.handle);
  const stopScrubbing = scrubDaily(store, createSha256, { clock, log });
  return ok({
    serveBlob: createServeBlob(store, { ...bounds, uploadsMax: config.blobTransfersMax }),
    storeOf,
    store,
    references: references.value,
    inputs: createBlobInputs({
      blobsOf: storeOf,
      references: references.value,
      log,
    }),
    close: stopScrubbing,
  });
}
