// Which chunks of a blob are missing: one bit a chunk, set where it is missing, the lowest bit first. Bits past the last
// chunk are zero, so that equal sets are equal bytes.

export function allMissing(chunks: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(chunks / 8)).fill(0xff);
  const last = chunks % 8;
  if (last !== 0) bitmap[bitmap.length - 1] = 2 ** last - 1;
  return bitmap;
}

export const isMissing = (bitmap: Uint8Array, index: number): boolean =>
  (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;

/** In place. */
export function markPresent(bitmap: Uint8Array, index: number): void {
  bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) & ~(1 << (index & 7));
}

/** The lowest missing chunks, in order. */
export function missingChunks(bitmap: Uint8Array, chunksMax: number): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < bitmap.length * 8 && indexes.length < chunksMax; index++)
    if (isMissing(bitmap, index)) indexes.push(index);
  return indexes;
}

export function missingCount(bitmap: Uint8Array): number {
  let count = 0;
  for (const byte of bitmap) for (let bits = byte; bits !== 0; bits &= bits - 1) count++;
  return count;
}

/** The first run of missing chunks, which one HTTP range can bring. */
export function firstMissingRun(
  bitmap: Uint8Array,
): { readonly first: number; readonly count: number } | undefined {
  const first = missingChunks(bitmap, 1)[0];
  if (first === undefined) return undefined;
  let end = first + 1;
  while (isMissing(bitmap, end)) end++;
  return { first, count: end - first };
}

/** Whether bytes from outside are a bitmap of so many chunks. */
export function isBitmapOf(bitmap: Uint8Array, chunks: number): boolean {
  const full = allMissing(chunks);
  return (
    bitmap.length === full.length && bitmap.every((byte, i) => (byte & ~(full[i] as number)) === 0)
  );
}
