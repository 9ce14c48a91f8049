export { blobUpTopicFilter } from '../topics.ts';
export { firstMissingRun } from './bitmap.ts';
export { type BlobRef, blobBytesMax, blobRefSchema, chunkBytes, chunkCount } from './blob.ts';
export type { BlobRecord, BlobReferences, BlobStore, Holding } from './blob-store.ts';
export type { BlobWire } from './blob-wire.ts';
export { type ChunkPipe, createChunkWire } from './chunk-wire.ts';
export {
  audiences,
  createDeviceBlobs,
  type DeviceBlobStore,
  forgetClaims,
} from './device-blobs.ts';
export { createPacer, type Pacer } from './pacer.ts';
export { type BlobBounds, blobBoundsDefaults } from './plan-eviction.ts';
export { type CreateHash, scrubBlobs } from './scrub.ts';
export { scrubDaily } from './scrub-daily.ts';
export { createServeBlob, etagOf, type ServeBlob } from './serve-blob.ts';
export { createChunkServer } from './serve-chunks.ts';
export { storeBytes } from './store-bytes.ts';
export { storeStream } from './store-stream.ts';
export {
  initialTransferState,
  type TransferEvent,
  type TransferState,
  transitionTransfer,
} from './transfer-state.ts';
