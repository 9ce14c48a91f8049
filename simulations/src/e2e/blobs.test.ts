// Five megabytes up and down between real processes: over HTTP with the link cut twice each way, over MQTT
// alone, and over MQTT after HTTP was tried in vain.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleBlob } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';
import { createTcpProxy, type TcpProxy } from '../net/tcp-proxy.ts';

const blobBytes = 5_000_000;
/** Slow enough that a cut falls into the transfer. */
const slowBytesPerSecond = 4_000_000;
const patience = { timeout: 30_000, interval: 10 };

const transfersSchema = z.object({
  transfers: z.array(
    z.looseObject({
      digest: z.string(),
      direction: z.string(),
      phase: z.string(),
      wire: z.string(),
    }),
  ),
});

async function world() {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-blobs-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const start = async (
    kind: 'agent' | 'coordinator',
    name: string,
    flags: Record<string, string | number>,
  ): Promise<SkerryProcess> => {
    const process = await startProcess(kind, name, {
      'data-dir': join(folder, name),
      'http-port': 0,
      ...flags,
    });
    onTestFinished(() => process.stop());
    return process;
  };
  const coordinator = await start('coordinator', 'coordinator', { 'mqtt-port': 0 });
  const proxyOf = async (url: string): Promise<TcpProxy> => {
    const proxy = await createTcpProxy({ host: '127.0.0.1', port: Number(new URL(url).port) });
    onTestFinished(() => proxy.close());
    return proxy;
  };
  return { start, coordinator, proxyOf };
}

const put = (agent: SkerryProcess, digest: string, data: Uint8Array) =>
  fetch(`${agent.httpUrl}/v1/blobs/${digest}`, { method: 'PUT', body: new Uint8Array(data) });

const ask = (agent: SkerryProcess, body: Record<string, unknown>) =>
  fetch(`${agent.httpUrl}/v1/transfers`, { method: 'POST', body: JSON.stringify(body) });

async function ended(agent: SkerryProcess, direction: string) {
  return vi.waitFor(async () => {
    const response = await fetch(`${agent.httpUrl}/v1/transfers`);
    const { transfers } = transfersSchema.parse(await response.json());
    const transfer = transfers.find((t) => t.direction === direction);
    expect(transfer?.phase).toBe('done');
    return transfer;
  }, patience);
}

describe('a blob of 5 MB', () => {
  it('goes up and comes down over HTTP, each with two cuts, and resumes', {
    timeout: 90_000,
  }, async () => {
    const { start, coordinator, proxyOf } = await world();
    const proxy = await proxyOf(coordinator.httpUrl);
    const flags = {
      broker: coordinator.mqttUrl ?? '',
      'coordinator-url': `http://127.0.0.1:${proxy.port}`,
      'blob-bytes-per-second': slowBytesPerSecond,
    };
    const giver = await start('agent', 'giver', { ...flags, device: 'giver' });
    const taker = await start('agent', 'taker', { ...flags, device: 'taker' });
    const { ref, data } = sampleBlob(blobBytes);
    expect((await put(giver, ref.digest, data)).status).toBe(201);
    for (const [agent, direction, counter] of [
      [giver, 'send', 'up'],
      [taker, 'fetch', 'down'],
    ] as const) {
      const before = proxy.bytes[counter];
      expect((await ask(agent, { ...ref, direction })).status).toBe(202);
      for (const share of [0.25, 0.5]) {
        await vi.waitUntil(() => proxy.bytes[counter] - before > share * blobBytes, patience);
        proxy.reset();
      }
      expect(await ended(agent, direction)).toMatchObject({ wire: 'http' });
      const carried = proxy.bytes[counter] - before;
      expect(carried).toBeGreaterThan(blobBytes);
      // What was in the pipes at each cut, and no more: it resumed.
      expect(carried).toBeLessThan(1.35 * blobBytes);
    }
    const arrived = await fetch(`${taker.httpUrl}/v1/blobs/${ref.digest}`);
    expect(Buffer.from(await arrived.arrayBuffer()).equals(data)).toBe(true);
  });

  it('goes up over MQTT alone, and comes down so where HTTP does not answer', {
    timeout: 90_000,
  }, async () => {
    const { start, coordinator, proxyOf } = await world();
    const proxy = await proxyOf(coordinator.mqttUrl ?? '');
    const flags = { broker: `mqtt://127.0.0.1:${proxy.port}` };
    const giver = await start('agent', 'giver', { ...flags, device: 'giver' });
    const closedPort = 1;
    const taker = await start('agent', 'taker', {
      ...flags,
      device: 'taker',
      'coordinator-url': `http://127.0.0.1:${closedPort}`,
    });
    const { ref, data } = sampleBlob(blobBytes, 2);
    expect((await put(giver, ref.digest, data)).status).toBe(201);
    for (const [agent, direction, counter] of [
      [giver, 'send', 'up'],
      [taker, 'fetch', 'down'],
    ] as const) {
      const before = proxy.bytes[counter];
      await ask(agent, { ...ref, direction });
      expect(await ended(agent, direction)).toMatchObject({ wire: 'chunks' });
      expect(proxy.bytes[counter] - before).toBeLessThan(1.02 * blobBytes);
    }
    const arrived = await fetch(`${taker.httpUrl}/v1/blobs/${ref.digest}`);
    expect(Buffer.from(await arrived.arrayBuffer()).equals(data)).toBe(true);
  });
});
