import { encode } from 'cborg';
import { describe, expect, it } from 'vitest';
import { createVirtualClock, sampleBlob } from '../testing/index.ts';
import { allMissing, firstMissingRun, isBitmapOf, isMissing, markPresent } from './bitmap.ts';
import { chunkBytes } from './blob.ts';
import { chunksInFlightMax, decodeBlobMessage, encodeBlobMessage } from './blob-messages.ts';
import { createPacer } from './pacer.ts';

const blob = sampleBlob(2 * chunkBytes + 7);
const header = { v: 1, ...blob.ref };
const chunk = {
  ...header,
  type: 'chunk' as const,
  index: 1,
  sha256: sampleBlob(1).ref.digest,
  data: blob.chunks[1] as Uint8Array,
};
const want = { ...header, type: 'want' as const, missing: Uint8Array.of(0b111), chunksMax: 1 };

describe('blob messages', () => {
  it('[COD1] decode to what was encoded, and a full chunk fits an envelope', () => {
    for (const message of [chunk, want, { ...header, type: 'offer' as const, round: 3 }]) {
      const bytes = encodeBlobMessage(message);
      expect(bytes.ok && decodeBlobMessage(bytes.value)).toEqual({ ok: true, value: message });
    }
  });

  it.each([
    ['an index beyond the end', { ...chunk, index: 3 }],
    ['an index below the beginning', { ...chunk, index: -1 }],
    ['a chunk too short', { ...chunk, data: chunk.data.subarray(1) }],
    ['a long last chunk', { ...chunk, index: 2 }],
    ['a bitmap with bits past the end', { ...want, missing: Uint8Array.of(0b1000) }],
    ['a bitmap too long', { ...want, missing: Uint8Array.of(0b111, 0) }],
    ['more chunks in flight than may be', { ...want, chunksMax: chunksInFlightMax + 1 }],
    ['a path for a digest', { ...want, digest: 'sha256:../../etc/passwd' }],
    ['no bytes at all', { ...want, bytes: 0 }],
    ['a field too many', { ...want, more: 1 }],
  ])('[COD4] refuse %s', (_, message) => {
    expect(decodeBlobMessage(encode(message))).toMatchObject({
      error: { code: 'malformed_message' },
    });
  });

  it('[COD3] of another version are refused as such', () => {
    expect(decodeBlobMessage(encode({ ...want, v: 99 }))).toMatchObject({
      error: { code: 'unsupported_version' },
    });
  });
});

describe('a bitmap of missing chunks', () => {
  it('gives its first run, and is itself for every count of chunks', () => {
    for (let chunks = 1; chunks < 40; chunks++)
      expect(isBitmapOf(allMissing(chunks), chunks)).toBe(true);
    const missing = allMissing(12);
    for (const index of [0, 1, 5, 9]) markPresent(missing, index);
    expect(firstMissingRun(missing)).toEqual({ first: 2, count: 3 });
    expect([1, 2, 11, 12].map((index) => isMissing(missing, index))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('a pacer', () => {
  it('spreads what many take over the time that the cap says', async () => {
    const clock = createVirtualClock(1_000);
    const pacer = createPacer(1_000, clock);
    const { signal } = new AbortController();
    let taken = 0;
    const all = Array.from({ length: 10 }, () => pacer.take(500, signal).then(() => taken++));
    while (clock.runNext(3_000));
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(4); // 2 000 bytes in two seconds, and the credit of a quarter of one.
    while (clock.runNext(60_000));
    await Promise.all(all);
    expect(taken).toBe(10);
  });
});
