import { sha256 } from '@skerry/shared/node';
import { describe, expect, it } from 'vitest';
import { createMemoryBlobStore, sampleBlob } from '../testing/index.ts';
import { chunkBytes } from './blob.ts';
import { parseContentRange, parseRange } from './byte-range.ts';
import { createServeBlob } from './serve-blob.ts';

describe('[HTB1] Range, by RFC 9110 §14', () => {
  // The RFC's own examples (§14.1.2, §14.2), for a representation of 10 000 bytes.
  it.each([
    ['bytes=0-499', { offset: 0, length: 500 }],
    ['bytes=500-999', { offset: 500, length: 500 }],
    ['bytes=-500', { offset: 9_500, length: 500 }],
    ['bytes=9500-', { offset: 9_500, length: 500 }],
    ['bytes=0-0,-1', 'whole'],
    ['bytes= 0-999, 4500-5499, -1000', 'whole'],
    ['bytes=500-600,601-999', 'whole'],
    ['bytes=500-700,601-999', 'whole'],
    ['bytes=9999-20000', { offset: 9_999, length: 1 }],
    ['bytes=-20000', { offset: 0, length: 10_000 }],
    ['bytes=10000-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-2', 'whole'],
    ['bytes=-', 'whole'],
    ['BYTES=1-1', { offset: 1, length: 1 }],
    ['lines=0-4', 'whole'],
    ['bytes=a-b', 'whole'],
    [undefined, 'whole'],
  ])('%s', (header, expected) => expect(parseRange(header, 10_000)).toEqual(expected));

  it.each([
    ['bytes 42-1233/1234', { offset: 42, length: 1_192, bytes: 1_234 }],
    ['bytes 42-1233/*', undefined],
    ['bytes */1234', undefined],
    ['bytes 5-2/10', undefined],
    ['bytes 0-10/10', undefined],
  ])('Content-Range: %s', (header, expected) =>
    expect(parseContentRange(header)).toEqual(expected),
  );
});

describe('blobs over HTTP', () => {
  const blob = sampleBlob(3 * chunkBytes + 10);
  const { digest, bytes } = blob.ref;
  const fresh = () => {
    const store = createMemoryBlobStore();
    const serve = createServeBlob(store, { bytesMax: 10 * chunkBytes, uploadsMax: 1 });
    const call = (method: string, headers: Record<string, string> = {}, body?: Uint8Array) =>
      serve(
        new Request('http://x/', {
          method,
          headers: {
            ...(body === undefined ? {} : { 'content-length': String(body.length) }),
            ...headers,
          },
          ...(body === undefined ? {} : { body: new Uint8Array(body) }),
        }),
        digest,
      );
    return { serve, call };
  };
  const part = (from: number, to: number) =>
    ({ 'content-range': `bytes ${from}-${to - 1}/${bytes}` }) as const;

  it('[HTB2] are uploaded in parts, overlapping too, and HEAD says where to go on', async () => {
    const { call } = fresh();
    const steps: [number, number, number, number][] = [
      [0, 2, 202, 2],
      [1, 2, 202, 2],
      [3, 4, 202, 2],
      [2, 4, 201, 4],
    ];
    for (const [first, end, status, offset] of steps) {
      const [from, to] = [first * chunkBytes, Math.min(bytes, end * chunkBytes)];
      const put = await call('PUT', part(from, to), blob.data.subarray(from, to));
      expect(put.status).toBe(status);
      const head = await call('HEAD');
      expect(head.headers.get('upload-offset')).toBe(String(Math.min(bytes, offset * chunkBytes)));
      expect(head.headers.get('upload-complete')).toBe(status === 201 ? '?1' : '?0');
    }
    expect((await call('PUT', {}, blob.data)).status).toBe(201); // Again: nothing changes.
  });

  it('[HTB2] keep what came before a body broke off', async () => {
    const { serve, call } = fresh();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(blob.data.subarray(0, chunkBytes + 5)),
      pull: (controller) => controller.error(new Error('cut')),
    });
    const request = new Request('http://x/', {
      method: 'PUT',
      headers: part(0, bytes),
      body,
      duplex: 'half',
    } as RequestInit);
    expect((await serve(request, digest)).status).toBe(503);
    expect((await call('HEAD')).headers.get('upload-offset')).toBe(String(chunkBytes));
  });

  it('[HTB1] are served whole and in a range, If-Range by the digest', async () => {
    const { call } = fresh();
    await call('PUT', {}, blob.data);
    const etag = `"${digest}"`;
    const cases: [Record<string, string>, number, number][] = [
      [{}, 200, bytes],
      [{ range: 'bytes=10-19' }, 206, 10],
      [{ range: 'bytes=10-19', 'if-range': etag }, 206, 10],
      [{ range: 'bytes=10-19', 'if-range': `W/${etag}` }, 200, bytes],
      [{ range: 'bytes=10-19', 'if-range': '"other"' }, 200, bytes],
      [{ 'if-none-match': `"other", W/${etag}` }, 304, 0],
    ];
    for (const [headers, status, length] of cases) {
      const got = await call('GET', headers);
      expect([got.status, (await got.arrayBuffer()).byteLength]).toEqual([status, length]);
    }
    expect(sha256(new Uint8Array(await (await call('GET')).arrayBuffer()))).toBe(digest);
    const beyond = await call('GET', { range: `bytes=${bytes}-` });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${bytes}`]);
  });

  it('[HTB3] are refused by name: false bytes, no digest, a part that is none, too much', async () => {
    const { serve, call } = fresh();
    const forged = sampleBlob(bytes, 5).data;
    expect((await call('PUT', {}, forged)).status).toBe(422);
    expect((await call('GET')).status).toBe(404);
    for (const headers of [
      { 'content-range': `bytes 1-${bytes - 1}/${bytes}` },
      { 'content-range': `bytes 0-9/${bytes}` },
      { 'content-range': 'bytes 0-*/9' },
    ])
      expect((await call('PUT', headers, blob.data)).status).toBe(400);
    expect((await call('PUT', part(0, bytes), sampleBlob(bytes + 1).data)).status).toBe(400);
    const large = { 'content-range': `bytes 0-${chunkBytes - 1}/${11 * chunkBytes}` };
    expect((await call('PUT', large, blob.data.subarray(0, chunkBytes))).status).toBe(413);
    expect((await call('DELETE')).status).toBe(405);
    for (const bad of ['../../etc/passwd', 'sha256:..%2f', `sha256:${'A'.repeat(64)}`])
      expect((await serve(new Request('http://x/'), bad)).status).toBe(400);
  });

  it('[HTB3] are uploaded by so many at once, and no more', async () => {
    const { serve, call } = fresh();
    let end = (): void => {};
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        end = () => controller.error(new Error('cut'));
      },
    });
    const slow = serve(
      new Request('http://x/', {
        method: 'PUT',
        headers: part(0, bytes),
        body,
        duplex: 'half',
      } as RequestInit),
      digest,
    );
    expect((await call('PUT', {}, blob.data)).status).toBe(503);
    end();
    await slow;
    expect((await call('PUT', {}, blob.data)).status).toBe(201);
  });
});
