// What every BlobStore must do, whatever its disk. An adapter's whole test is one call.

import { sha256 } from '@skerry/shared/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { missingChunks } from '../blobs/bitmap.ts';
import { chunkBytes } from '../blobs/blob.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { BlobBounds } from '../blobs/plan-eviction.ts';
import { type SampleBlob, sampleBlob } from './sample-blob.ts';

/** One empty disk. `open` again is a restart. */
export interface BlobDisk {
  open(): Promise<BlobStore>;
  close(): Promise<void>;
}

export interface BlobDiskPorts {
  readonly nowMs: () => number;
  readonly isReferenced: (digest: string) => boolean;
}

const bounds: BlobBounds = { quotaBytesMax: 10 * chunkBytes, partialsMax: 3, graceMs: 1_000 };

export function blobStoreContract(
  name: string,
  createDisk: (bounds: BlobBounds, ports: BlobDiskPorts) => Promise<BlobDisk>,
): void {
  const fresh = async () => {
    const world = { nowMs: Date.now(), referenced: new Set<string>() };
    const disk = await createDisk(bounds, {
      nowMs: () => world.nowMs,
      isReferenced: (digest) => world.referenced.has(digest),
    });
    onTestFinished(() => disk.close());
    return { store: await disk.open(), reopen: () => disk.open(), world };
  };

  describe(`${name}: a BlobStore`, () => {
    it('[BLB1] takes chunks in any order, each as often as it comes, and gives the bytes back', async () => {
      const { store } = await fresh();
      const blob = sampleBlob(3 * chunkBytes + 17);
      for (const index of [3, 0, 3, 2, 0, 1]) expect(await write(store, blob, index)).toBe('ok');
      expect(await store.finish(blob.ref.digest)).toEqual({ ok: true, value: undefined });
      expect(sha256(await bytesOf(store, blob))).toBe(blob.ref.digest);
      const across = [chunkBytes - 3, 9] as const;
      expect(await read(store, blob, ...across)).toEqual(
        blob.data.subarray(across[0], across[0] + across[1]),
      );
      expect(await write(store, blob, 1)).toBe('ok'); // A late copy.
      expect(await kindOf(store, blob)).toBe('whole');
    });

    it('[BLB2] remembers which chunks it has over a restart, at each of them', async () => {
      const { store, reopen } = await fresh();
      const blob = sampleBlob(4 * chunkBytes - 1);
      let current = store;
      const left = [0, 1, 2, 3];
      for (const index of [2, 0, 3, 1]) {
        await write(current, blob, index);
        left.splice(left.indexOf(index), 1);
        current = await reopen();
        expect(await missing(current, blob)).toEqual(left);
      }
      expect(await current.finish(blob.ref.digest)).toMatchObject({ ok: true });
      current = await reopen();
      expect(await kindOf(current, blob)).toBe('whole');
      expect(sha256(await bytesOf(current, blob))).toBe(blob.ref.digest);
    });

    it('[BLB3] verifies before a blob is whole, and keeps nothing of a false one', async () => {
      const { store, reopen } = await fresh();
      const [named, other] = [sampleBlob(chunkBytes + 1, 1), sampleBlob(chunkBytes + 1, 2)];
      const forged = { ...other, ref: named.ref };
      for (const index of [0, 1]) await write(store, forged, index);
      expect(await read(store, named, 0, 1)).toBe('not_found');
      expect(await store.finish(named.ref.digest)).toMatchObject({
        error: { code: 'digest_mismatch' },
      });
      expect(await kindOf(store, named)).toBe('none');
      expect(await kindOf(await reopen(), named)).toBe('none');
    });

    it('[BLB4] refuses what is no chunk of the blob, and a finish before the last one', async () => {
      const { store } = await fresh();
      const blob = sampleBlob(chunkBytes + 1);
      const bad: [number, Uint8Array][] = [
        [2, Uint8Array.of(1)],
        [-1, Uint8Array.of(1)],
        [0.5, Uint8Array.of(1)],
        [0, Uint8Array.of(1)],
        [1, Uint8Array.of(1, 2)],
        [1, new Uint8Array(0)],
      ];
      for (const [index, chunk] of bad)
        expect(await store.write(blob.ref, index, chunk)).toMatchObject({
          error: { code: 'invalid_argument' },
        });
      expect(await kindOf(store, blob)).toBe('none');
      await write(store, blob, 0);
      const longer = { ...blob.ref, bytes: blob.ref.bytes + 1 };
      expect(await store.write(longer, 1, Uint8Array.of(1, 2))).toMatchObject({
        error: { code: 'invalid_argument' },
      });
      expect(await store.finish(blob.ref.digest)).toMatchObject({
        error: { code: 'invalid_argument' },
      });
      expect(await missing(store, blob)).toEqual([1]);
    });

    it('[BLB5] evicts by last use what nobody refers to, and refuses where that is not enough', async () => {
      const { store, world } = await fresh();
      const [first, second, third] = [1, 2, 3].map((seed) => sampleBlob(4 * chunkBytes, seed)) as [
        SampleBlob,
        SampleBlob,
        SampleBlob,
      ];
      await writeAll(store, first);
      await writeAll(store, second);
      expect(await write(store, third, 0)).toBe('overloaded'); // Both are young.
      world.nowMs += 100_000;
      world.referenced = new Set([first.ref.digest, second.ref.digest]);
      expect(await write(store, third, 0)).toBe('overloaded');
      world.referenced = new Set([first.ref.digest]);
      expect(await write(store, third, 0)).toBe('ok');
      expect(await kindOf(store, first)).toBe('whole');
      expect(await kindOf(store, second)).toBe('none');
      world.referenced = new Set();
      await read(store, first, 0, 1); // Used now, so the partial one is the older garbage.
      world.nowMs += 500;
      expect(await write(store, second, 0)).toBe('overloaded');
      expect(await write(store, sampleBlob(11 * chunkBytes), 0)).toBe('too_large');
    });

    it('[BLB5] keeps at most `partialsMax` partial blobs; one left alone makes room', async () => {
      const { store, world } = await fresh();
      const blobs = [1, 2, 3, 4].map((seed) => sampleBlob(chunkBytes + 1, seed));
      const [oldest, , , last] = blobs as [SampleBlob, SampleBlob, SampleBlob, SampleBlob];
      for (const blob of blobs.slice(0, 3)) {
        expect(await write(store, blob, 0)).toBe('ok');
        world.nowMs += 10;
      }
      expect(await write(store, last, 0)).toBe('overloaded');
      world.nowMs += 1_000;
      expect(await write(store, last, 0)).toBe('ok');
      expect(await kindOf(store, oldest)).toBe('none');
    });

    it('[BLB6] removes and lists whole and partial ones; what is not there is not found', async () => {
      const { store, reopen } = await fresh();
      const [whole, partial] = [sampleBlob(5, 1), sampleBlob(chunkBytes * 2, 2)];
      await writeAll(store, whole);
      await write(store, partial, 1);
      const listed = await store.list();
      expect(listed.ok && listed.value.map(({ digest, whole }) => [digest, whole])).toEqual([
        [whole.ref.digest, true],
        [partial.ref.digest, false],
      ]);
      expect(await read(store, whole, 3, 3)).toBe('invalid_argument');
      for (const { ref } of [whole, partial, whole])
        expect(await store.remove(ref.digest)).toMatchObject({ ok: true });
      expect(await (await reopen()).list()).toEqual({ ok: true, value: [] });
      expect(await read(store, whole, 0, 1)).toBe('not_found');
      expect(await store.finish(whole.ref.digest)).toMatchObject({ error: { code: 'not_found' } });
    });
  });
}

async function write(
  store: BlobStore,
  { ref, chunks }: SampleBlob,
  index: number,
): Promise<string> {
  const written = await store.write(ref, index, chunks[index] ?? new Uint8Array());
  return written.ok ? 'ok' : written.error.code;
}

async function writeAll(store: BlobStore, blob: SampleBlob): Promise<void> {
  for (const index of blob.chunks.keys()) await write(store, blob, index);
  expect(await store.finish(blob.ref.digest)).toMatchObject({ ok: true });
}

async function read(
  store: BlobStore,
  { ref }: SampleBlob,
  offset: number,
  length: number,
): Promise<Uint8Array | string> {
  const got = await store.read(ref.digest, offset, length);
  return got.ok ? got.value : got.error.code;
}

async function bytesOf(store: BlobStore, blob: SampleBlob): Promise<Uint8Array> {
  const bytes = await read(store, blob, 0, blob.ref.bytes);
  return typeof bytes === 'string' ? new Uint8Array() : bytes; // No digest of a blob.
}

async function kindOf(store: BlobStore, { ref }: SampleBlob): Promise<string> {
  const held = await store.holding(ref.digest);
  return held.ok ? held.value.kind : held.error.code;
}

async function missing(store: BlobStore, { ref }: SampleBlob): Promise<number[] | string> {
  const held = await store.holding(ref.digest);
  return held.ok && held.value.kind === 'partial' ? missingChunks(held.value.missing, 99) : 'none';
}
