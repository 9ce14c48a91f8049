// Blobs over the memory pipe, whose fate loses, repeats, delays and damages messages, on a virtual clock.

import { assert, createRandom, err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createMemoryBlobStore,
  createMemoryPipe,
  createVirtualClock,
  type Fate,
  type SampleBlob,
  sampleBlob,
} from '../testing/index.ts';
import { missingCount } from './bitmap.ts';
import { chunkBytes } from './blob.ts';
import { decodeBlobMessage, encodeBlobMessage } from './blob-messages.ts';
import type { BlobStore } from './blob-store.ts';
import { createChunkWire, headerOf } from './chunk-wire.ts';
import { createPacer } from './pacer.ts';
import { createChunkServer, queuedMessagesMax } from './serve-chunks.ts';

const signal = new AbortController().signal;

function world(fate: Fate = () => [0], stores: { device?: BlobStore; cloud?: BlobStore } = {}) {
  const clock = createVirtualClock();
  const pipe = createMemoryPipe(clock, fate);
  const { device = createMemoryBlobStore(), cloud = createMemoryBlobStore() } = stores;
  const dropped: string[] = [];
  const listening = pipe.listen();
  const server = createChunkServer(
    {
      storeOf: () => cloud,
      sha256,
      send: listening.send,
      log: silentLog,
      onDropped: (c) => dropped.push(c),
    },
    { bytesMax: 100 * chunkBytes, devicesMax: 1 },
  );
  listening.onMessage(server.handle);
  const wire = createChunkWire({
    pipe: pipe.connect('device-1'),
    store: device,
    pacer: createPacer(0, clock),
    clock,
    sha256,
    log: silentLog,
  });
  /** Runs virtual time until it is done. */
  const run = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    void promise.finally(() => {
      over = true;
    });
    for (let i = 0; !over && i < 100_000; i++) {
      for (let turn = 0; turn < 20 && !over; turn++) await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      if (!over) clock.runNext(clock.monotonicMs() + 60_000);
    }
    return promise;
  };
  return { device, cloud, wire, run, pipe, server, dropped, clock };
}

async function fill(store: BlobStore, { ref, chunks }: SampleBlob): Promise<void> {
  for (const [index, chunk] of chunks.entries()) await store.write(ref, index, chunk);
  await store.finish(ref.digest);
}

const blob = sampleBlob(10 * chunkBytes);

async function holds(store: BlobStore): Promise<boolean> {
  const bytes = await store.read(blob.ref.digest, 0, blob.ref.bytes);
  return bytes.ok && sha256(bytes.value) === blob.ref.digest;
}

const random = createRandom(3);

/** Fates by the number of the message. */
const fates: Record<string, (n: number) => readonly number[]> = {
  'nothing happens': () => [0],
  'a third is lost': () => (random.below(3) === 0 ? [] : [1]),
  'each comes twice': (n) => [n % 5, 7],
  'they overtake one another': (n) => [(n * 7) % 50],
};

describe('blobs in chunks', () => {
  for (const [name, fateOf] of Object.entries(fates))
    it(`[CHK1] come whole, up and down, when ${name}`, async () => {
      for (const direction of ['send', 'fetch'] as const) {
        let n = 0;
        const { device, cloud, wire, run } = world(() => fateOf(n++));
        await fill(direction === 'send' ? device : cloud, blob);
        // Loss may outlast the wire's patience: a transfer then tries again, and goes on where it was.
        for (let tries = 0; tries < 5; tries++)
          if ((await run(wire[direction](blob.ref, () => {}, signal))).ok) break;
        expect(await holds(direction === 'send' ? cloud : device)).toBe(true);
      }
    });

  it('[CHK6] on a slow link as much as comes in about a second stands before a Reply, not a full round', async () => {
    const bytesPerMs = chunkBytes / 400;
    let [freeMs, longestMs, carried] = [0, 0, 0];
    const link: Fate = (_device, direction, bytes) => {
      if (direction === 'up') return [0];
      const nowMs = slow.clock.monotonicMs();
      freeMs = Math.max(freeMs, nowMs) + bytes / bytesPerMs;
      longestMs = Math.max(longestMs, freeMs - nowMs);
      carried++;
      return [freeMs - nowMs];
    };
    const slow = world(link);
    await fill(slow.cloud, blob);
    expect(await slow.run(slow.wire.fetch(blob.ref, () => {}, signal))).toMatchObject({ ok: true });
    expect(carried).toBe(blob.chunks.length);
    expect(longestMs).toBeLessThan(1_000);
  });

  it('[CHK2] cut after each chunk in turn, a transfer goes on where it was', async () => {
    for (const direction of ['send', 'fetch'] as const)
      for (let cutAfter = 0; cutAfter < blob.chunks.length; cutAfter++) {
        let [carried, healed] = [0, false];
        const fate: Fate = (_device, _direction, bytes) => {
          if (healed) return [0];
          if (carried === cutAfter) return [];
          if (bytes > chunkBytes) carried++;
          return [0];
        };
        const { device, cloud, wire, run } = world(fate);
        const [from, to] = direction === 'send' ? [device, cloud] : [cloud, device];
        await fill(from, blob);
        const cut = await run(wire[direction](blob.ref, () => {}, signal));
        expect(cut).toMatchObject({ error: { code: 'deadline_exceeded', retryable: true } });
        const held = await to.holding(blob.ref.digest);
        const missing =
          held.ok && held.value.kind === 'partial'
            ? missingCount(held.value.missing)
            : blob.chunks.length;
        expect(missing).toBe(blob.chunks.length - cutAfter);
        healed = true;
        const again = await run(wire[direction](blob.ref, () => {}, signal));
        expect(again).toEqual(ok(undefined));
        expect(await holds(to)).toBe(true);
      }
  });

  it('[CHK3] a coordinator that has other bytes is found out: nothing false is kept', async () => {
    const forged = sampleBlob(blob.ref.bytes, 99);
    const lying: BlobStore = {
      ...createMemoryBlobStore(),
      holding: async () => ok({ kind: 'whole', bytes: blob.ref.bytes }),
      read: async (_digest, offset, length) => ok(forged.data.slice(offset, offset + length)),
    };
    const { device, wire, run } = world(undefined, { cloud: lying });
    const fetched = await run(wire.fetch(blob.ref, () => {}, signal));
    expect(fetched).toMatchObject({ error: { code: 'digest_mismatch' } });
    expect(await device.holding(blob.ref.digest)).toEqual(ok({ kind: 'none' }));
  });

  it('[CHK4] says why not: unknown, too large, a full disk', async () => {
    const { wire, run } = world();
    expect(await run(wire.fetch(blob.ref, () => {}, signal))).toMatchObject({
      error: { code: 'not_found' },
    });
    const large = sampleBlob(101 * chunkBytes);
    const full = (): Result<void> => err(failure('storage_failed', 'ENOSPC'));
    for (const [sent, cloud, code] of [
      [large, createMemoryBlobStore(), 'too_large'],
      [blob, createMemoryBlobStore(undefined, undefined, { beforeWrite: full }), 'storage_failed'],
    ] as const) {
      const other = world(undefined, { cloud });
      await fill(other.device, sent);
      expect(await other.run(other.wire.send(sent.ref, () => {}, signal))).toMatchObject({
        error: { code },
      });
    }
  });

  it('[CHK5] bounds what waits, by device and over devices, and lives through any bytes', async () => {
    const { server, dropped } = world();
    const offer = encodeBlobMessage({ ...headerOf(blob.ref), type: 'offer', round: 1 });
    assert(offer.ok, 'an offer can be encoded');
    for (let i = 0; i <= queuedMessagesMax; i++) server.handle('device-1', offer.value);
    expect(dropped).toEqual(['overloaded']);
    server.handle('device-2', offer.value);
    expect(dropped).toEqual(['overloaded', 'overloaded']);
    await new Promise((resolve) => setTimeout(resolve, 5));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => server.handle('device-1', bytes)),
    );
    const { value } = offer;
    for (let i = 0; i < value.length * 8; i++)
      decodeBlobMessage(value.map((byte, at) => (at === i >> 3 ? byte ^ (1 << (i & 7)) : byte)));
  });
});
