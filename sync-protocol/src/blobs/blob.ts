// A blob is bytes named by their sha256. It travels in chunks of one size, so that both sides and both wires agree on
// what "missing" means: chunk i begins at i · chunkBytes, and only the last one is shorter.

import { digestSchema } from '@skerry/shared';
import { z } from 'zod';

/** With its header a chunk fits an envelope of 100 KB; a power of two, as disks like it. */
export const chunkBytes = 65_536;
/** The largest blob: its bitmap of missing chunks is 2 KiB. */
export const blobBytesMax = 1_073_741_824;

export const blobRefSchema = z.strictObject({
  digest: digestSchema,
  bytes: z.int().min(1).max(blobBytesMax),
});
/** What an op or a person names a blob by. The size is part of the name: it says how many chunks to expect. */
export type BlobRef = z.infer<typeof blobRefSchema>;

export const chunkCount = (bytes: number): number => Math.ceil(bytes / chunkBytes);

/** Where a chunk lies; `undefined` where the blob has no such chunk. */
export function chunkSpan(
  bytes: number,
  index: number,
): { readonly offset: number; readonly length: number } | undefined {
  if (!Number.isInteger(index) || index < 0 || index >= chunkCount(bytes)) return undefined;
  const offset = index * chunkBytes;
  return { offset, length: Math.min(chunkBytes, bytes - offset) };
}
