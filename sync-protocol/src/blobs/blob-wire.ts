import type { Result } from '@skerry/shared';
import type { BlobRef } from './blob.ts';

/** One way to move a blob between this device's store and the coordinator's. Each call goes on where the last ended. */
export interface BlobWire {
  readonly name: string;
  /** ok: the blob is whole in the store. `onMoved` is called for bytes that are durable here. */
  fetch(ref: BlobRef, onMoved: (bytes: number) => void, signal: AbortSignal): Promise<Result<void>>;
  /** ok: the coordinator has confirmed that the blob is whole, verified and durable there. */
  send(ref: BlobRef, onMoved: (bytes: number) => void, signal: AbortSignal): Promise<Result<void>>;
}
