// Bytes that come as a stream, cut into chunks and stored: what has arrived before the stream breaks is kept.

import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type BlobRef, chunkSpan } from './blob.ts';
import type { BlobStore } from './blob-store.ts';

/**
 * Stores `stream` from chunk `first` on, to at most `count` chunks. Returns how many were stored. Fails with
 * `unavailable` when the stream breaks or ends too soon, with `invalid_argument` when it goes on after its end.
 */
export async function storeStream(
  store: Pick<BlobStore, 'write'>,
  ref: BlobRef,
  { first, count }: { readonly first: number; readonly count: number },
  stream: AsyncIterable<Uint8Array>,
  onStored: (bytes: number) => void | Promise<void> = () => {},
): Promise<Result<void>> {
  let index = first;
  const end = first + count;
  let chunk = new Uint8Array(chunkSpan(ref.bytes, index)?.length ?? 0);
  let filled = 0;
  try {
    for await (const part of stream) {
      for (let at = 0; at < part.length; ) {
        if (index === end) return err(failure('invalid_argument', 'more bytes than announced'));
        const taken = part.subarray(at, at + chunk.length - filled);
        chunk.set(taken, filled);
        filled += taken.length;
        at += taken.length;
        if (filled < chunk.length) continue;
        const written = await store.write(ref, index, chunk);
        if (!written.ok) return written;
        await onStored(chunk.length);
        index += 1;
        filled = 0;
        chunk = new Uint8Array(chunkSpan(ref.bytes, index)?.length ?? 0);
      }
    }
  } catch (thrown) {
    return err(failure('unavailable', `the stream broke: ${messageOf(thrown)}`));
  }
  return index === end
    ? ok(undefined)
    : err(failure('unavailable', `the stream ended ${end - index} chunks too soon`));
}
