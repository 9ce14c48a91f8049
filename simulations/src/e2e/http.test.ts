// Both HTTP transports against each other, in the clear and over TLS, through a link that can be cut; and whom the
// coordinator takes a device for.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobRoutes, openAuthority, type X509Authority } from '@skerry/cloud-coordinator';
import {
  createCoordinatorFetch,
  createHttpBlobWire,
  createHttpDeviceTransport,
} from '@skerry/edge-agent';
import { createRandom, silentLog } from '@skerry/shared';
import { listenHttp, sha256, systemClock, type TlsMaterial } from '@skerry/shared/node';
import { createPacer, createServeBlob } from '@skerry/sync-protocol/blobs';
import {
  createExchangeRoutes,
  createHttpServer,
  createHttpTransport,
} from '@skerry/sync-protocol/http';
import {
  createMemoryBlobStore,
  sampleBlob,
  transportContract,
} from '@skerry/sync-protocol/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const soon = { timeout: 5_000, interval: 10 };
const folder = mkdtempSync(join(tmpdir(), 'skerry-https-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let authority: X509Authority;
beforeAll(async () => {
  const opened = await openAuthority(folder, Date.now());
  if (!opened.ok) throw new Error(opened.error.message);
  authority = opened.value;
});
const certificateOf = (name: string) => authority.issueClient(name, Date.now());

async function openPipe(scheme: 'http' | 'https') {
  const certified = scheme === 'https';
  const { transport: coordinator, pipe } = createHttpTransport(systemClock, 10);
  const refused = new Set<string>();
  const seen: (string | undefined)[] = [];
  const store = createMemoryBlobStore();
  const exchange = createExchangeRoutes(pipe, certified);
  const serveBlob = createServeBlob(store, { bytesMax: 1_000_000, uploadsMax: 2 });
  const blobs = blobRoutes({ serveBlob, storeOf: () => store }, certified);
  const { server, review } = createHttpServer(
    (request, env) => {
      seen.push(env.peer?.serial);
      const { pathname } = new URL(request.url);
      return (pathname.startsWith('/v1/blobs/') ? blobs : exchange).fetch(request, env);
    },
    certified
      ? {
          tls: await authority.issueServer(['127.0.0.1'], Date.now()),
          isRefused: ({ name }) => refused.has(name),
        }
      : undefined,
  );
  const listening = await listenHttp(server, '127.0.0.1', 0);
  if (!listening.ok) throw new Error(listening.error.message);
  const { port } = new URL(listening.value.url);
  const proxy = await createTcpProxy({ host: '127.0.0.1', port: Number(port) });
  const coordinatorUrl = `${scheme}://127.0.0.1:${proxy.port}`;
  const open: (() => Promise<void>)[] = [];
  /** A device as `device`, with a certificate that it may change. */
  const dial = (device: string, identity: () => TlsMaterial | undefined) => {
    const { fetch, close } = createCoordinatorFetch(identity);
    open.push(close);
    const ports = { fetch, clock: systemClock, random: createRandom(1), log: silentLog };
    return { fetch, transport: createHttpDeviceTransport({ device, coordinatorUrl }, ports) };
  };
  return {
    coordinator,
    coordinatorUrl,
    store,
    seen,
    revoke(device: string) {
      refused.add(device);
      review();
    },
    dial,
    async connect(device: string) {
      const identity = certified ? await certificateOf(device) : undefined;
      const { transport } = dial(device, () => identity);
      await vi.waitUntil(transport.connected, soon);
      return transport;
    },
    cut: async () => proxy.set('cut'),
    heal: async () => proxy.set('pass'),
    async close() {
      await coordinator.close();
      for (const close of open) await close();
      await proxy.close();
      await listening.value.close();
    },
  };
}

transportContract('HTTP', () => openPipe('http'));
transportContract('HTTPS', () => openPipe('https'));

describe('over HTTPS', () => {
  const fresh = async () => {
    const pipe = await openPipe('https');
    onTestFinished(pipe.close);
    const as = async (owner: string, said?: string, method = 'GET', path = '/v1/hints?hold=0') => {
      const identity = await certificateOf(owner);
      const { fetch, close } = createCoordinatorFetch(() => identity);
      onTestFinished(close);
      const headers = said === undefined ? {} : { 'skerry-device': said };
      return fetch(new URL(path, pipe.coordinatorUrl), { method, headers });
    };
    return { ...pipe, as };
  };
  const anyBlob = `/v1/blobs/${sampleBlob(10).ref.digest}`;

  it('[IDN9] a device is whom its certificate names, whatever it says', async () => {
    const { as } = await fresh();
    expect((await as('victim', 'victim')).status).toBe(204);
    expect((await as('victim')).status).toBe(204);
    for (const [method, path] of [
      ['POST', '/v1/exchange'],
      ['GET', '/v1/hints?hold=0'],
      ['DELETE', '/v1/hints'],
      ['GET', anyBlob],
      ['PUT', anyBlob],
    ] as const)
      expect((await as('hostile', 'victim', method, path)).status).toBe(403);
    expect((await as('skerry:coordinator:0', 'victim')).status).toBe(401);
  });

  it('[IDN9] who shows no certificate of the fleet’s is nobody', async () => {
    const { coordinatorUrl } = await fresh();
    const other = await openAuthority(join(folder, 'other'), Date.now());
    if (!other.ok) throw new Error(other.error.message);
    const forged = await other.value.issueClient('victim', Date.now());
    const { fetch, close } = createCoordinatorFetch(() => ({
      ...forged,
      ca: authority.certificate,
    }));
    onTestFinished(close);
    for (const path of ['/v1/hints?hold=0', anyBlob])
      expect((await fetch(new URL(path, coordinatorUrl))).status).toBe(401);
  });

  it('[IDN9] a device speaks to nobody whom the fleet’s authority does not vouch for', async () => {
    const { coordinatorUrl, seen } = await fresh();
    const other = await openAuthority(join(folder, 'stranger'), Date.now());
    if (!other.ok) throw new Error(other.error.message);
    const trusting = { ...(await certificateOf('victim')), ca: other.value.certificate };
    const { fetch, close } = createCoordinatorFetch(() => trusting);
    onTestFinished(close);
    await expect(fetch(new URL('/v1/hints', coordinatorUrl))).rejects.toThrow();
    expect(seen).toEqual([]);
  });

  it('[IDN6] a renewed certificate is shown from the next request on, and none is waited for', async () => {
    const { dial, seen } = await fresh();
    let identity: TlsMaterial | undefined;
    const { transport } = dial('box', () => identity);
    onTestFinished(() => transport.close());
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(transport.connected()).toBe(false);
    identity = await certificateOf('box');
    await vi.waitUntil(transport.connected, soon);
    const before = new Set(seen);
    expect(before.size).toBe(1);
    identity = await certificateOf('box');
    expect(await transport.send(Uint8Array.of(1))).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(new Set(seen).size).toBe(2), soon);
    expect(transport.connected()).toBe(true);
  });

  it('[IDN5] a request that is held open ends when its certificate is revoked, and none follows', async () => {
    const { connect, revoke } = await fresh();
    const [lost, kept] = [await connect('lost'), await connect('kept')];
    const went: boolean[] = [];
    lost.onConnection((connected) => went.push(connected));
    onTestFinished(() => lost.close());
    onTestFinished(() => kept.close());
    revoke('lost');
    await vi.waitFor(() => expect(went).toEqual([false]), soon);
    await new Promise((resolve) => setTimeout(resolve, 600)); // Two redials.
    expect(went).toEqual([false]);
    expect(kept.connected()).toBe(true);
  });

  it('[HTB2] a blob goes up and comes down by certificate', async () => {
    const { coordinatorUrl: baseUrl, store: cloud } = await fresh();
    const identity = await certificateOf('box');
    const { fetch, close } = createCoordinatorFetch(() => identity);
    onTestFinished(close);
    const wireFor = (store: ReturnType<typeof createMemoryBlobStore>) =>
      createHttpBlobWire({
        baseUrl,
        fetch,
        store,
        pacer: createPacer(0, systemClock),
        clock: systemClock,
      });
    const { ref, data, chunks } = sampleBlob(200_000);
    const giver = createMemoryBlobStore();
    for (const [index, chunk] of chunks.entries()) await giver.write(ref, index, chunk);
    await giver.finish(ref.digest);
    const { signal } = new AbortController();
    expect(await wireFor(giver).send(ref, () => {}, signal)).toMatchObject({ ok: true });
    expect(await cloud.holding(ref.digest)).toMatchObject({ value: { kind: 'whole' } });
    const taker = createMemoryBlobStore();
    expect(await wireFor(taker).fetch(ref, () => {}, signal)).toMatchObject({ ok: true });
    const read = await taker.read(ref.digest, 0, data.length);
    expect(read.ok && sha256(read.value)).toBe(ref.digest);
  });
});
