// Bytes that are here already, as a blob of a store.

import type { Result } from '@skerry/shared';
import { type BlobRef, chunkCount } from './blob.ts';
import type { BlobStore } from './blob-store.ts';
import { storeStream } from './store-stream.ts';

/** Whole and verified when it resolves. Fails as the store does. */
export async function storeBytes(
  store: Pick<BlobStore, 'write' | 'finish'>,
  ref: BlobRef,
  bytes: Uint8Array,
): Promise<Result<void>> {
  const whole = { first: 0, count: chunkCount(ref.bytes) };
  const stored = await storeStream(store, ref, whole, once(bytes));
  return stored.ok ? store.finish(ref.digest) : stored;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
