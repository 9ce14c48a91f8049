// What each device sees of one store. Store and references are the ones in memory.

import { ok } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  type SampleBlob,
  sampleBlob,
} from '../testing/index.ts';
import { chunkBytes } from './blob.ts';
import {
  audiences,
  createDeviceBlobs,
  type DeviceBlobStore,
  forgetClaims,
} from './device-blobs.ts';

const blob = sampleBlob(3 * chunkBytes, 1);
const other = sampleBlob(2 * chunkBytes, 2);
const hourMs = 3_600_000;

function fresh(quotaBytesMax = 10 * chunkBytes) {
  let nowMs = 0;
  const disk = new Map();
  const store = createMemoryBlobStore(disk, undefined, { nowMs: () => nowMs });
  const [references, claims] = [createMemoryBlobReferences(), createMemoryBlobReferences()];
  const siteOf = async (device: string) => (device.startsWith('north') ? 'north' : undefined);
  const of = createDeviceBlobs(
    { store, references, claims, siteOf, nowMs: () => nowMs },
    { quotaBytesMax, partialsMax: 4, graceMs: hourMs },
  );
  const wait = (ms: number) => {
    nowMs += ms;
  };
  return { store, references, claims, of, wait };
}

async function put(view: DeviceBlobStore, { ref, chunks }: SampleBlob) {
  for (const [index, chunk] of chunks.entries()) {
    const written = await view.write(ref, index, chunk);
    if (!written.ok) return written;
  }
  return view.finish(ref.digest);
}

const sees = async (view: DeviceBlobStore, { ref }: SampleBlob): Promise<boolean> => {
  const held = await view.holding(ref.digest);
  const read = await view.read(ref.digest, 0, 1);
  const whole = held.ok && held.value.kind === 'whole';
  expect(read.ok).toBe(whole);
  return whole;
};

describe('the blobs of a device', () => {
  it('[BLA1] are those it has put itself, and no other device’s', async () => {
    const { of, store } = fresh();
    expect(await put(of('box'), blob)).toEqual(ok(undefined));
    expect(await sees(of('box'), blob)).toBe(true);
    expect(await sees(of('box-2'), blob)).toBe(false);
    expect(await of('box-2').holding(blob.ref.digest)).toEqual(ok({ kind: 'none' }));
    expect(await sees(store, blob)).toBe(true);
  });

  it('[BLA1] are those that refer to it, its site or the fleet; a reference that names nobody shows nothing', async () => {
    const { of, store, references } = fresh();
    await put(store, blob);
    const whoSees = async () => {
      const devices = ['box', 'north-1', 'north-2', 'south-1'];
      const seen = await Promise.all(devices.map((device) => sees(of(device), blob)));
      return devices.filter((_, i) => seen[i]);
    };
    const { digest } = blob.ref;
    for (const owner of ['f'.repeat(64), audiences.device('other'), audiences.site('south')])
      await references.add(digest, owner);
    expect(await whoSees()).toEqual([]);
    await references.add(digest, audiences.device('box'));
    expect(await whoSees()).toEqual(['box']);
    await references.add(digest, audiences.site('north'));
    expect(await whoSees()).toEqual(['box', 'north-1', 'north-2']);
    await references.drop(digest, audiences.device('box'));
    expect(await whoSees()).toEqual(['north-1', 'north-2']);
    await references.add(digest, audiences.fleet);
    expect(await whoSees()).toHaveLength(4);
  });

  it('[BLA2] who knows a digest and not the bytes gets nothing; who sends them all has put it too', async () => {
    const { of } = fresh();
    await put(of('box'), blob);
    const thief = of('thief');
    expect(await thief.finish(blob.ref.digest)).toMatchObject({ ok: false });
    const forged = (blob.chunks[0] as Uint8Array).slice();
    forged[0] = (forged[0] as number) ^ 1;
    const [first, second, third] = blob.chunks as [Uint8Array, Uint8Array, Uint8Array];
    expect(await thief.write(blob.ref, 0, forged)).toMatchObject({
      error: { code: 'digest_mismatch' },
    });
    for (let i = 0; i < 3; i++) await thief.write(blob.ref, 1, second);
    expect(await sees(thief, blob)).toBe(false);
    expect(await thief.holding(blob.ref.digest)).toMatchObject({
      value: { kind: 'partial', missing: Uint8Array.of(0b101) },
    });

    await thief.write(blob.ref, 2, third);
    expect(await sees(thief, blob)).toBe(false);
    await thief.write(blob.ref, 0, first);
    expect(await thief.finish(blob.ref.digest)).toEqual(ok(undefined));
    expect(await sees(thief, blob)).toBe(true);
  });

  it('[BLA2] who sends the beginning as if it were the whole gets nothing, and learns no more than by wrong bytes', async () => {
    const { of } = fresh();
    await put(of('box'), blob);
    const thief = of('thief');
    const { digest } = blob.ref;
    const first = blob.chunks[0] as Uint8Array;
    const guess = (bytes: number) => thief.write({ digest, bytes }, 0, first.slice(0, bytes));
    const wrong = await thief.write(blob.ref, 0, new Uint8Array(chunkBytes));
    expect(wrong).toMatchObject({ error: { code: 'digest_mismatch' } });
    expect(await guess(1)).toEqual(wrong);
    expect(await guess(chunkBytes)).toEqual(wrong);
    expect(await sees(thief, blob)).toBe(false);

    await thief.write(blob.ref, 0, first);
    expect(await guess(1)).toEqual(wrong);
    expect(await thief.finish(digest)).toMatchObject({ ok: false });
    expect(await sees(thief, blob)).toBe(false);
    expect(await put(thief, blob)).toEqual(ok(undefined));
  });

  it('[BLA3] stay within its quota: the oldest that nobody needs goes, another device’s never', async () => {
    const { of, store, references, claims, wait } = fresh(5 * chunkBytes);
    const third = sampleBlob(2 * chunkBytes, 3);
    expect(await put(of('box'), sampleBlob(6 * chunkBytes, 9))).toMatchObject({
      error: { code: 'too_large' },
    });
    await put(of('box'), blob);
    await put(of('box-2'), blob);
    await put(of('box'), other);
    // Young yet: an op that names them may be on its way.
    expect(await put(of('box'), third)).toMatchObject({ error: { code: 'overloaded' } });
    wait(hourMs);
    await references.add(blob.ref.digest, 'f'.repeat(64));
    await references.add(other.ref.digest, 'f'.repeat(64));
    expect(await put(of('box'), third)).toMatchObject({ error: { code: 'overloaded' } });
    await references.drop(blob.ref.digest, 'f'.repeat(64));
    expect(await put(of('box'), third)).toEqual(ok(undefined));
    expect(await sees(of('box'), blob)).toBe(false);
    expect(await sees(of('box-2'), blob)).toBe(true);
    expect(claims.owners(blob.ref.digest)).toEqual(['box-2']);

    await references.drop(other.ref.digest, 'f'.repeat(64));
    wait(hourMs);
    expect(await put(of('box'), sampleBlob(2 * chunkBytes, 4))).toEqual(ok(undefined));
    expect(await store.holding(other.ref.digest)).toEqual(ok({ kind: 'none' }));
  });

  it('[BLA4] another puts the same at once: told to come back, and first when the other is gone', async () => {
    const { of, wait } = fresh();
    const [first, second] = blob.chunks as [Uint8Array, Uint8Array];
    await of('box').write(blob.ref, 0, first);
    expect(await of('box').write(blob.ref, 1, second)).toEqual(ok(undefined));
    const refused = await of('box-2').write(blob.ref, 0, first);
    expect(refused).toMatchObject({ error: { code: 'overloaded', retryAfterMs: 5_000 } });
    wait(60_000);
    expect(await put(of('box-2'), blob)).toEqual(ok(undefined));
    expect(await sees(of('box-2'), blob)).toBe(true);
    expect(await sees(of('box'), blob)).toBe(false);
  });

  it('keep nothing of false bytes, and no claim on what is gone', async () => {
    const { of, store, claims } = fresh();
    const forged = { ...blob, chunks: [...blob.chunks].reverse() };
    expect(await put(of('box'), forged)).toMatchObject({ error: { code: 'digest_mismatch' } });
    expect(claims.digests()).toEqual([]);
    await put(of('box'), blob);
    await put(of('box'), other);
    await store.remove(blob.ref.digest);
    await forgetClaims(store, claims);
    expect(claims.digests()).toEqual([other.ref.digest]);
    expect(await put(of('box-2'), blob)).toEqual(ok(undefined));
    expect(await sees(of('box'), blob)).toBe(false);
  });
});
