import { createRandom } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { type BlobRef, chunkCount, chunkSpan } from '../blobs/blob.ts';

export interface SampleBlob {
  readonly ref: BlobRef;
  readonly data: Uint8Array;
  readonly chunks: readonly Uint8Array[];
}

/** Bytes that do not compress, told apart by a seed, with their name and their chunks. */
export function sampleBlob(bytes: number, seed = 1): SampleBlob {
  const random = createRandom(seed);
  const data = Uint8Array.from({ length: bytes }, () => random.uint32());
  const chunks = Array.from({ length: chunkCount(bytes) }, (_, index) => {
    const { offset, length } = chunkSpan(bytes, index) ?? { offset: 0, length: 0 };
    return data.subarray(offset, offset + length);
  });
  return { ref: { digest: sha256(data), bytes }, data, chunks };
}
