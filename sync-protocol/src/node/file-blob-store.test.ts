import { cp, mkdir, mkdtemp, open, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chunkBytes } from '../blobs/blob.ts';
import type { BlobReferences, BlobStore } from '../blobs/blob-store.ts';
import { blobBoundsDefaults } from '../blobs/plan-eviction.ts';
import { scrubBlobs } from '../blobs/scrub.ts';
import {
  blobReferencesContract,
  blobStoreContract,
  type SampleBlob,
  sampleBlob,
} from '../testing/index.ts';
import { createSha256 } from './create-sha256.ts';
import { openFileBlobReferences } from './file-blob-references.ts';
import { openFileBlobStore } from './file-blob-store.ts';

async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-blobs-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openReferences(folder: string): Promise<BlobReferences> {
  const opened = await openFileBlobReferences(folder);
  assert(opened.ok, 'the references open');
  return opened.value;
}

const ports = { nowMs: () => Date.now(), isReferenced: () => false };

async function openStore(folder: string): Promise<BlobStore> {
  const store = await openFileBlobStore(folder, blobBoundsDefaults, ports);
  assert(store.ok, 'the store opens');
  return store.value;
}

async function put(store: BlobStore, { ref, chunks }: SampleBlob): Promise<void> {
  for (const [index, chunk] of chunks.entries())
    expect(await store.write(ref, index, chunk)).toMatchObject({ ok: true });
  expect(await store.finish(ref.digest)).toMatchObject({ ok: true });
}

const hexOf = ({ ref }: SampleBlob): string => ref.digest.slice('sha256:'.length);

blobStoreContract('files', async (bounds, worldPorts) => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-blobs-'));
  return {
    async open() {
      const store = await openFileBlobStore(folder, bounds, worldPorts);
      assert(store.ok, 'the store opens');
      return store.value;
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
});

describe('blobs in a folder', () => {
  const blob = sampleBlob(3 * chunkBytes + 5);

  it('[BLB2] comes back from a kill between any two writes, and can be finished', async () => {
    // Each state of the folder that a kill could leave, made by hand from the whole way of a blob.
    const folder = await freshFolder();
    const store = await openStore(folder);
    for (const index of [0, 1, 2, 3])
      await store.write(blob.ref, index, blob.chunks[index] as Uint8Array);
    const hex = hexOf(blob);
    const [data, have] = [`partial/${hex}.data`, `partial/${hex}.have`];
    const states: Record<string, (at: string) => Promise<unknown>> = {
      'data made, not sized': async (at) => {
        await truncate(join(at, data), 0);
        await rm(join(at, have));
      },
      'data sized, no bitmap': (at) => rm(join(at, have)),
      'bitmap made, empty': (at) => truncate(join(at, have), 0),
      'bitmap torn': (at) => truncate(join(at, have), 9),
      'bitmap, no data': (at) => rm(join(at, data)),
      'a chunk written, not marked': async (at) => {
        const file = await open(join(at, have), 'r+');
        await file.write(Uint8Array.of(0), 0, 1, 8 + 2);
        await file.close();
      },
      'all chunks there, not finished': async () => {},
      'moved, bitmap left': async (at) => {
        await cp(join(at, data), join(at, 'whole', hex));
        await rm(join(at, data));
      },
      'moved, both left': (at) => cp(join(at, data), join(at, 'whole', hex)),
      'litter of others': (at) => writeFile(join(at, 'partial', '..%2f..%2fetc.have'), 'x'),
    };
    for (const [state, leave] of Object.entries(states)) {
      const copy = await freshFolder();
      await cp(folder, copy, { recursive: true });
      await leave(copy);
      const again = await openStore(copy);
      await put(again, blob);
      const read = await again.read(blob.ref.digest, 0, blob.ref.bytes);
      expect(read.ok && sha256(read.value), state).toBe(blob.ref.digest);
      expect(await readdir(join(copy, 'partial')), state).toEqual([]);
    }
  });

  it('[BLB3] finds a bit that flipped in a partial blob when it is finished', async () => {
    const folder = await freshFolder();
    const store = await openStore(folder);
    for (const [index, chunk] of blob.chunks.entries()) await store.write(blob.ref, index, chunk);
    await flipBit(join(folder, 'partial', `${hexOf(blob)}.data`), chunkBytes + 7);
    expect(await store.finish(blob.ref.digest)).toMatchObject({
      error: { code: 'digest_mismatch' },
    });
    await put(store, blob);
  });

  it('[BLB7] a scrub finds a flipped bit and a lost end at rest, and removes both', async () => {
    const folder = await freshFolder();
    const store = await openStore(folder);
    const blobs = [1, 2, 3].map((seed) => sampleBlob(2 * chunkBytes, seed)) as [
      SampleBlob,
      SampleBlob,
      SampleBlob,
    ];
    for (const one of blobs) await put(store, one);
    expect(await scrubBlobs(store, createSha256)).toEqual({ ok: true, value: [] });
    await flipBit(join(folder, 'whole', hexOf(blobs[0])), chunkBytes);
    await truncate(join(folder, 'whole', hexOf(blobs[1])), chunkBytes);
    const found = await scrubBlobs(store, createSha256);
    const damaged = [blobs[0].ref.digest, blobs[1].ref.digest];
    expect(found.ok && [...found.value].sort()).toEqual(damaged.sort());
    expect(await store.list()).toMatchObject({ value: [{ digest: blobs[2].ref.digest }] });
    await put(store, blobs[0]); // And it can be fetched again.
  });

  it('[BLB4] a digest is never a path', async () => {
    const folder = await freshFolder();
    const store = await openStore(join(folder, 'blobs'));
    await writeFile(join(folder, 'secret'), 'x');
    for (const digest of [
      'sha256:../../secret',
      '../secret',
      'sha256:',
      `sha256:${'A'.repeat(64)}`,
    ]) {
      expect(await store.write({ digest, bytes: 1 }, 0, Uint8Array.of(1))).toMatchObject({
        error: { code: 'invalid_argument' },
      });
      expect(await store.read(digest, 0, 1)).toMatchObject({ error: { code: 'not_found' } });
      expect(await store.finish(digest)).toMatchObject({ ok: false });
      expect(await store.remove(digest)).toMatchObject({ ok: true });
    }
    expect(await readdir(folder)).toEqual(['blobs', 'secret']);
  });

  it('a disk that refuses is `storage_failed`, and works again when it can', async () => {
    const folder = await freshFolder();
    const store = await openStore(folder);
    await rm(join(folder, 'partial'), { recursive: true });
    const first = blob.chunks[0] as Uint8Array;
    expect(await store.write(blob.ref, 0, first)).toMatchObject({
      error: { code: 'storage_failed' },
    });
    expect(await store.list()).toEqual({ ok: true, value: [] });
    await openStore(folder); // Makes the folder.
    await put(store, blob);
  });

  it('many writers of one blob and of many take turns', async () => {
    const store = await openStore(await freshFolder());
    const blobs = [1, 2].map((seed) => sampleBlob(4 * chunkBytes, seed));
    const all = blobs.flatMap(({ ref, chunks }) =>
      [...chunks, ...chunks].map((chunk, i) => store.write(ref, i % chunks.length, chunk)),
    );
    for (const written of await Promise.all(all)) expect(written).toMatchObject({ ok: true });
    for (const { ref } of blobs) expect(await store.finish(ref.digest)).toMatchObject({ ok: true });
  });
});

blobReferencesContract('a folder', async () => {
  const folder = await freshFolder();
  return () => openReferences(folder);
});

it('[BLB8] a reference that the disk refused is not there, nor for who asked meanwhile; asked again, it is', async () => {
  const folder = await freshFolder();
  const { digest } = sampleBlob(1).ref;
  const references = await openReferences(folder);
  const inTheWay = join(folder, digest.slice('sha256:'.length));
  await writeFile(inTheWay, '');
  const add = () => references.add(digest, 'op-1');
  const refused = { error: { code: 'storage_failed' } };
  expect(await Promise.all([add(), add()])).toMatchObject([refused, refused]);
  expect(references.has(digest)).toBe(false);
  await rm(inTheWay);
  expect(await add()).toMatchObject({ ok: true });
  expect((await openReferences(folder)).owners(digest)).toEqual(['op-1']);
});

it('references leave no folder behind: by turns with who comes anew, and none of before a crash', async () => {
  const folder = await freshFolder();
  const { digest } = sampleBlob(1).ref;
  const references = await openReferences(folder);
  await references.add(digest, 'op-1');
  const both = [references.drop(digest, 'op-1'), references.add(digest, 'op-2')];
  for (const done of await Promise.all(both)) expect(done).toMatchObject({ ok: true });
  expect((await openReferences(folder)).owners(digest)).toEqual(['op-2']);
  await references.drop(digest, 'op-2');
  expect(await readdir(folder)).toEqual([]);
  await mkdir(join(folder, digest.slice('sha256:'.length)));
  expect((await openReferences(folder)).digests()).toEqual([]);
  expect(await readdir(folder)).toEqual([]);
});

async function flipBit(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, at);
  await file.write(Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, at);
  await file.close();
}
