// Copies of what updates bring, between a site's relay and its neighbours: the agents' own stores and transfers, real
// listeners, and a coordinator that counts what it serves.

import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { assert, createRandom, ok, type Result, silentLog } from '@skerry/shared';
import { listenHttp, systemClock } from '@skerry/shared/node';
import { chunkBytes, createServeBlob, storeBytes } from '@skerry/sync-protocol/blobs';
import {
  createMemoryBlobStore,
  createVirtualClock,
  type SampleBlob,
  sampleBlob,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { IdentityKeeper } from '../fleet/identity.ts';
import { openBlobs } from './open-blobs.ts';
import { copiesPathOf, openRelayListener } from './relay-listener.ts';
import { openDatabase } from './sqlite-database.ts';

const site = 'harbour';
/** Later than any file that this test writes. */
const startMs = 4_000_000_000_000;
const [model, other, own] = [1, 2, 3].map((seed) => sampleBlob(3 * chunkBytes + 10, seed)) as [
  SampleBlob,
  SampleBlob,
  SampleBlob,
];
const noIdentity: IdentityKeeper = { current: () => undefined, onObtained() {}, close() {} };
const bounds = { relayBlobBytes: 2 ** 30, relayBlobBytesPerSecond: 0, relayBlobReads: 8 };

async function must<T>(result: Promise<Result<T>>): Promise<T> {
  const done = await result;
  assert(done.ok, done.ok ? '' : done.error.message);
  return done.value;
}

async function listen(fetch: (request: Request) => Response | Promise<Response>) {
  const listening = await must(
    listenHttp(createAdaptorServer({ fetch }) as Server, '127.0.0.1', 0),
  );
  onTestFinished(listening.close);
  return listening.url;
}

/** Serves the samples; a GET is held until the gate is open. */
async function openCoordinator() {
  const store = createMemoryBlobStore();
  for (const { ref, data } of [model, other, own]) await must(storeBytes(store, ref, data));
  const serve = createServeBlob(store, { bytesMax: 2 ** 30, uploadsMax: 1 });
  let open = (): void => {};
  let gate: Promise<void> = Promise.resolve();
  const served: string[] = [];
  const url = await listen(async (request) => {
    served.push(request.url.slice(request.url.lastIndexOf('/') + 1));
    await gate;
    return serve(request, served.at(-1) as string);
  });
  return {
    url,
    served,
    shut: () => {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    open: () => open(),
  };
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-copies-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openDevice(config: Partial<Parameters<typeof openBlobs>[0]>, dataDir?: string) {
  const database = openDatabase(':memory:');
  assert(database.ok, 'the database opens');
  const clock = createVirtualClock(startMs);
  const blobs = await must(
    openBlobs(
      {
        dataDir: dataDir ?? (await newFolder()),
        site,
        blobQuotaBytes: 2 ** 30,
        blobBytesPerSecond: 0,
        ...bounds,
        ...config,
      },
      {
        database: database.value,
        store: { append: () => ok(1) } as unknown as Parameters<typeof openBlobs>[1]['store'],
        fetch,
        relayFetch: fetch,
        pipe: { connected: () => false, send: async () => {}, onMessage() {} } as never,
        clock,
        random: createRandom(config.relayPort ?? 1),
        log: silentLog,
        onAppended() {},
      },
    ),
  );
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await blobs.close();
    database.value.close();
  };
  onTestFinished(close);
  const transfer = async () => {
    const { transfers } = (await (await blobs.routes.request('/transfers')).json()) as {
      transfers: { phase: string; wire: string; reason?: { message: string } }[];
    };
    return transfers[0];
  };
  return { ...blobs, close, transfer, clock };
}

type Device = Awaited<ReturnType<typeof openDevice>>;

async function openRelay(
  coordinatorUrl: string,
  config: Parameters<typeof openDevice>[0] = {},
  folder?: string,
) {
  const device = await openDevice({ coordinatorUrl, relayPort: 0, ...config }, folder);
  const listener = await must(
    openRelayListener(
      { site, relayHost: '127.0.0.1', relayPort: 0 },
      {
        identity: noIdentity,
        isEnrolling: false,
        serveCopy: device.serveCopy,
        clock: systemClock,
        log: silentLog,
      },
    ),
  );
  onTestFinished(listener.close);
  const urlOf = ({ ref }: SampleBlob) => `${listener.url}${copiesPathOf(site)}/${ref.digest}`;
  return { ...device, url: listener.url, urlOf };
}

const isWhole = async ({ updates }: Device, { ref }: SampleBlob) =>
  (await must(updates.holding(ref.digest))).kind === 'whole';
const status = async (url: string, init?: RequestInit) => (await fetch(url, init)).status;

describe('a neighbour', () => {
  it('[PEE4] gets what the relay has from it, and asks the coordinator for none of it', async () => {
    const coordinator = await openCoordinator();
    const relay = await openRelay(coordinator.url);
    await must(relay.updates.fetch(model.ref));
    const asked = coordinator.served.length;
    const neighbour = await openDevice({ coordinatorUrl: coordinator.url, relayUrl: relay.url });
    await must(neighbour.updates.fetch(model.ref));
    expect(await neighbour.transfer()).toMatchObject({ phase: 'done', wire: 'site' });
    const bytes = await must(neighbour.updates.read(model.ref.digest, 0, model.ref.bytes));
    expect(Buffer.from(bytes).equals(model.data)).toBe(true);
    expect(coordinator.served).toHaveLength(asked);
  });

  it('[PEE4] asks the coordinator at once for what the relay has not, and where the relay is away', async () => {
    const coordinator = await openCoordinator();
    const relay = await openRelay(coordinator.url);
    for (const relayUrl of [relay.url, 'http://127.0.0.1:1']) {
      const neighbour = await openDevice({ coordinatorUrl: coordinator.url, relayUrl });
      // Its clock stands still: there is no wait.
      await must(neighbour.updates.fetch(model.ref));
      expect(await neighbour.transfer()).toMatchObject({ phase: 'done', wire: 'http' });
    }
  });

  it('[PEE4] asks the relay for what updates want alone', async () => {
    const coordinator = await openCoordinator();
    const relay = await openRelay(coordinator.url);
    await must(relay.updates.fetch(model.ref));
    const neighbour = await openDevice({ coordinatorUrl: coordinator.url, relayUrl: relay.url });
    const body = JSON.stringify({ ...model.ref, direction: 'fetch' });
    await neighbour.routes.request('/transfers', { method: 'POST', body });
    await vi.waitFor(async () =>
      expect(await neighbour.transfer()).toMatchObject({ phase: 'done', wire: 'http' }),
    );
  });

  it('[PEE5] waits while the relay fetches: the bytes cross the uplink once for all', async () => {
    const coordinator = await openCoordinator();
    const relay = await openRelay(coordinator.url);
    coordinator.shut();
    const fetched = relay.updates.fetch(model.ref);
    await vi.waitFor(() => expect(coordinator.served).toHaveLength(1));
    const config = { coordinatorUrl: coordinator.url, relayUrl: relay.url };
    const neighbours = [await openDevice(config), await openDevice(config)];
    const came = neighbours.map((neighbour) => neighbour.updates.fetch(model.ref));
    for (const neighbour of neighbours)
      await vi.waitFor(async () =>
        expect(await neighbour.transfer()).toMatchObject({
          phase: 'waiting',
          wire: 'site',
          reason: { message: expect.stringContaining('on its way') },
        }),
      );
    coordinator.open();
    await must(fetched);
    for (const { clock } of neighbours) while (clock.runNext(startMs + 4_000));
    for (const each of came) await must(each);
    expect(coordinator.served).toHaveLength(1);
  });

  it('[PEE5] is told to come again between two files of the relay’s update, and not for ever', async () => {
    const coordinator = await openCoordinator();
    const relay = await openRelay(coordinator.url);
    expect(await status(relay.urlOf(other))).toBe(404);
    await must(relay.updates.fetch(model.ref));
    const response = await fetch(relay.urlOf(other));
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
    while (relay.clock.runNext(startMs + 2_000));
    expect(await status(relay.urlOf(other))).toBe(404);
  });

  it('[PEE6] that got false bytes from the relay gets the true ones elsewhere', async () => {
    const coordinator = await openCoordinator();
    const relayUrl = await listen((request) => {
      const [, first, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.get('range') ?? '') ?? [];
      const body = other.data.slice(Number(first), Number(end) + 1);
      const range = `bytes ${first}-${end}/${model.ref.bytes}`;
      const headers = { ETag: `"${model.ref.digest}"`, 'Content-Range': range };
      return new Response(body, { status: 206, headers });
    });
    const neighbour = await openDevice({ coordinatorUrl: coordinator.url, relayUrl });
    await must(neighbour.updates.fetch(model.ref));
    expect(await neighbour.transfer()).toMatchObject({ phase: 'done', wire: 'http' });
    const bytes = await must(neighbour.updates.read(model.ref.digest, 0, model.ref.bytes));
    expect(Buffer.from(bytes).equals(model.data)).toBe(true);
  });
});

describe('a relay', () => {
  it('[PEE1] shows what its updates have brought, and nothing else, and takes nothing', async () => {
    const coordinator = await openCoordinator();
    const relay = await openRelay(coordinator.url);
    const path = `/blobs/${own.ref.digest}`;
    const length = { 'content-length': String(own.ref.bytes) };
    const put = { method: 'PUT', headers: length, body: new Uint8Array(own.data) };
    expect((await relay.routes.request(path, put)).status).toBe(201);
    // Also where an update should name it: it lay here before.
    await must(relay.updates.fetch(own.ref));
    while (relay.clock.runNext(startMs + 2_000));
    expect(await status(relay.urlOf(own))).toBe(404);
    expect(await status(relay.urlOf(other), { ...put, body: new Uint8Array(other.data) })).toBe(
      405,
    );
    await must(relay.updates.fetch(model.ref));
    const headers = { range: 'bytes=10-19', 'if-range': `"${model.ref.digest}"` };
    const part = await fetch(relay.urlOf(model), { headers });
    expect([part.status, part.headers.get('content-range')]).toEqual([
      206,
      `bytes 10-19/${model.ref.bytes}`,
    ]);
    expect(Buffer.from(await part.arrayBuffer()).equals(model.data.subarray(10, 20))).toBe(true);
    const head = await fetch(relay.urlOf(model), { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(model.ref.bytes));
    const elsewhere = relay.urlOf(model).replace(site, 'south');
    expect(await status(elsewhere)).toBe(404);
  });

  it('[PEE3] keeps what lies in a slot within its bound, the least used goes, and over a restart', async () => {
    const coordinator = await openCoordinator();
    const folder = await newFolder();
    const config = { relayBlobBytes: 2 * model.ref.bytes - 1 };
    const relay = await openRelay(coordinator.url, config, folder);
    for (const { ref } of [model, other]) await must(relay.updates.fetch(ref));
    await must(relay.updates.release(model.ref.digest));
    await relay.close();
    const again = await openRelay(coordinator.url, config, folder);
    for (const blob of [model, other]) expect(await status(again.urlOf(blob))).toBe(200);
    while (again.clock.runNext(startMs + 10_000));
    expect(await status(again.urlOf(model))).toBe(200);
    await must(again.updates.release(other.ref.digest));
    expect([await isWhole(again, model), await isWhole(again, other)]).toEqual([true, false]);
    expect(await status(again.urlOf(other))).toBe(404);
    // What has rotted goes, however much room there is.
    await must(again.updates.remove(model.ref.digest));
    expect(await isWhole(again, model)).toBe(false);
  });

  it('[PEE3] serves so many reads at once, and a reader that has gone frees its place', async () => {
    const coordinator = await openCoordinator();
    const relay = await openRelay(coordinator.url, {
      relayBlobReads: 1,
      relayBlobBytesPerSecond: 1,
    });
    await must(relay.updates.fetch(model.ref));
    const reading = new AbortController();
    // By its cap and a clock that stands still it never gets its second part.
    const slow = await fetch(relay.urlOf(model), { signal: reading.signal });
    expect(slow.status).toBe(200);
    const busy = await fetch(relay.urlOf(model));
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await status(relay.urlOf(model), { method: 'HEAD' })).toBe(200);
    reading.abort();
    await vi.waitFor(async () => {
      const next = new AbortController();
      const response = await fetch(relay.urlOf(model), { signal: next.signal });
      next.abort();
      expect(response.status).toBe(200);
    });
  });
});
