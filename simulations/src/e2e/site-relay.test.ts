// A site without its cloud, over real processes: the coordinator is killed, two devices and their relay keep their
// document in step, and what they owe the coordinator waits for it.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { operatorCommands } from '@skerry/cloud-coordinator';
import { expect, it, onTestFinished, vi } from 'vitest';
import { inferDigit } from '../fleet/agent-client.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';

const soon = { timeout: 45_000, interval: 50 };

interface View {
  readonly value: Readonly<Record<string, unknown>>;
  readonly heads: readonly string[];
}

const get = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;

async function patch(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
}

/** A folder of the test's own; what is pushed to `closers` is closed after it, the latest first. */
async function prepare() {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-site-'));
  const closers: (() => Promise<unknown>)[] = [];
  onTestFinished(async () => {
    for (const close of closers.reverse()) await close();
    await rm(folder, { recursive: true, force: true });
  });
  return { folder, closers };
}

it('[RLY6] a site keeps its document in step without the coordinator, and all converge when it is back', {
  timeout: 120_000,
}, async () => {
  const { folder, closers } = await prepare();
  const startCloud = async (httpPort: string, mqttPort: string): Promise<SkerryProcess> => {
    const cloud = await startProcess('coordinator', 'coordinator', {
      'data-dir': join(folder, 'coordinator'),
      'http-port': httpPort,
      'mqtt-port': mqttPort,
      'next-exchange-ms': 1000,
    });
    closers.push(cloud.stop);
    return cloud;
  };
  const cloud = await startCloud('0', '0');
  const broker = new URL(cloud.mqttUrl ?? '');
  const startAgent = async (device: string, more: Record<string, string | number>) => {
    const agent = await startProcess('agent', device, {
      device,
      site: 'harbour',
      'data-dir': join(folder, device),
      'http-port': 0,
      broker: broker.href,
      ...more,
    });
    closers.push(agent.stop);
    return agent;
  };
  const relay = await startAgent('box-1', { 'relay-port': 0, 'relay-host': '127.0.0.1' });
  const relayUrl = relay.relayUrl ?? '';
  const two = await startAgent('box-2', { 'relay-url': relayUrl });
  const three = await startAgent('box-3', { 'relay-url': relayUrl });
  const site = ({ httpUrl }: SkerryProcess) => `${httpUrl}/v1/documents/site`;
  const sees = (agent: SkerryProcess, value: unknown) =>
    vi.waitFor(
      async () => expect((await get<View>(site(agent))).value).toMatchObject(value as object),
      soon,
    );

  await patch(site(two), { mode: 'day' });
  await sees(three, { mode: 'day' });
  await cloud.kill();

  await patch(site(two), { lamps: { a: 'on' } });
  for (const agent of [relay, three]) await sees(agent, { lamps: { a: 'on' } });
  await patch(site(three), { lamps: { b: 'off' }, mode: 'night' });
  for (const agent of [relay, two])
    await sees(agent, { mode: 'night', lamps: { a: 'on', b: 'off' } });
  // What is owed to the coordinator waits for it, whatever the relay has said.
  const owed = async (agent: SkerryProcess) =>
    (await get<{ queue: { ops: number } }>(`${agent.httpUrl}/healthz`)).queue.ops;
  await patch(`${two.httpUrl}/v1/documents/device`, { reported: { level: 3 } });
  expect(await owed(two)).toBeGreaterThan(0);
  // A relay that is killed has lost nothing, and knows its neighbours again.
  await relay.kill();
  const again = await startAgent('box-1', {
    'relay-port': new URL(relayUrl).port,
    'relay-host': '127.0.0.1',
  });
  await patch(site(again), { lamps: { c: 'dim' } });
  for (const agent of [two, three]) await sees(agent, { lamps: { a: 'on', b: 'off', c: 'dim' } });

  const back = await startCloud(new URL(cloud.httpUrl).port, broker.port);
  const everywhere = [
    ...[again, two, three].map(site),
    `${back.httpUrl}/v1/sites/harbour/document`,
  ];
  await vi.waitFor(async () => {
    const views = await Promise.all(everywhere.map((url) => get<View>(url)));
    for (const view of views) {
      expect(view.value).toEqual({ mode: 'night', lamps: { a: 'on', b: 'off', c: 'dim' } });
      expect([...view.heads].sort()).toEqual([...(views[0]?.heads ?? [])].sort());
    }
    expect(await owed(two)).toBe(0);
    // What is acknowledged is durable; the hub may still be applying it.
    const twin = await get<View>(`${back.httpUrl}/v1/devices/box-2/twin`);
    expect(twin.value).toEqual({ reported: { level: 3 } });
  }, soon);
});

/** A coordinator that knows devices by certificate. */
async function prepareCertified() {
  const { folder, closers } = await prepare();
  const dataDir = join(folder, 'coordinator');
  const cloud = await startProcess('coordinator', 'coordinator', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
    tls: 'on',
  });
  closers.push(cloud.stop);
  /** Of `site` by its certificate; of harbour, as it believes. */
  const startAgent = async (
    device: string,
    site: string,
    more: Record<string, string | number>,
  ) => {
    const token = await operatorCommands.token([
      ...['--device', device, '--site', site, '--data-dir', dataDir],
    ]);
    if (!token.ok) throw new Error(token.error.message);
    const agent = await startProcess('agent', device, {
      device,
      site: 'harbour',
      'data-dir': join(folder, device),
      'http-port': 0,
      broker: cloud.mqttUrl ?? '',
      'coordinator-url': cloud.httpUrl,
      'join-token': token.value,
      ...more,
    });
    closers.push(agent.stop);
    return agent;
  };
  return { folder, cloud, startAgent };
}

it('[DOC15] over TLS a site’s document at the coordinator is for devices whose certificate is of the site', {
  timeout: 120_000,
}, async () => {
  const { startAgent } = await prepareCertified();
  const site = ({ httpUrl }: SkerryProcess) => `${httpUrl}/v1/documents/site`;
  const shownBy = async (agent: SkerryProcess) => (await get<View>(site(agent))).value;
  const stranger = await startAgent('box-3', 'south', {});
  await patch(site(stranger), { stranger: 1 });
  await vi.waitFor(async () => {
    const health = await get<{ link: { state: string }; queue: { ops: number } }>(
      `${stranger.httpUrl}/healthz`,
    );
    expect(health).toMatchObject({ link: { state: 'up' }, queue: { ops: 0 } });
  }, soon);
  expect(stranger.lastWords()).toContain('certified for another site');
  // What it said is before what these say.
  const [one, two] = [
    await startAgent('box-1', 'harbour', {}),
    await startAgent('box-2', 'harbour', {}),
  ];
  await patch(site(one), { one: 1 });
  await vi.waitFor(async () => expect(await shownBy(two)).toEqual({ one: 1 }), soon);
  await patch(site(two), { two: 2 });
  await vi.waitFor(async () => expect(await shownBy(one)).toEqual({ one: 1, two: 2 }), soon);
  // The cloud's answer comes after whatever the cloud has told it before.
  const asked = { skerry_policy: 'cloud-only', skerry_deadline_ms: 10_000 };
  const answer = await inferDigit(stranger.httpUrl, 'q1', new Uint8Array(784), asked);
  expect(answer.source).toBe('cloud');
  expect(await shownBy(stranger)).toEqual({ stranger: 1 });
  expect(one.lastWords()).not.toContain('certified for another site');
});

it('[RLY5] over TLS a relay serves its own site by certificate, and nobody else', {
  timeout: 120_000,
}, async () => {
  const { cloud, startAgent } = await prepareCertified();
  const relay = await startAgent('box-1', 'harbour', { 'relay-port': 0 });
  const { port, protocol } = new URL(relay.relayUrl ?? '');
  expect(protocol).toBe('https:');
  const relayUrl = `https://127.0.0.1:${port}`;
  const [two, stranger] = [
    await startAgent('box-2', 'harbour', { 'relay-url': relayUrl }),
    await startAgent('box-3', 'south', { 'relay-url': relayUrl }),
  ];
  const states = async ({ httpUrl }: SkerryProcess) =>
    get<{ link: { state: string }; site: { relay: { state: string }; neighbours: number } }>(
      `${httpUrl}/healthz`,
    );
  await vi.waitFor(async () => {
    expect(await states(two)).toMatchObject({
      link: { state: 'up' },
      site: { relay: { state: 'up' } },
    });
    expect((await states(stranger)).link.state).toBe('up');
  }, soon);
  await cloud.kill();
  await patch(`${stranger.httpUrl}/v1/documents/site`, { stranger: 1 });
  await patch(`${two.httpUrl}/v1/documents/site`, { two: 2 });
  const seen = () => get<View>(`${relay.httpUrl}/v1/documents/site`);
  await vi.waitFor(async () => expect((await seen()).value).toEqual({ two: 2 }), soon);
  expect((await states(stranger)).site.relay.state).toBe('down');
  expect((await states(relay)).site.neighbours).toBe(1);
  await expect(fetch(`${relayUrl}/v1/sites/harbour/hints`)).rejects.toThrow();
});

it('[PEE2] over TLS a relay has copies for devices of its own site by certificate, and for nobody else', {
  timeout: 120_000,
}, async () => {
  const { folder, startAgent } = await prepareCertified();
  const relay = await startAgent('box-1', 'harbour', { 'relay-port': 0 });
  for (const [device, site] of [
    ['box-2', 'harbour'],
    ['box-3', 'south'],
  ] as const)
    await startAgent(device, site, {});
  const digest = `sha256:${'0'.repeat(64)}`;
  const url = `https://127.0.0.1:${new URL(relay.relayUrl ?? '').port}/v1/sites/harbour/blobs/${digest}`;
  const ask = async (device?: string) => {
    const file = device && (await readFile(join(folder, device, 'identity.json'), 'utf8'));
    const { certificate: cert, key } = file ? JSON.parse(file) : {};
    return new Promise<number | string>((resolve) => {
      const options = { cert, key, agent: false, rejectUnauthorized: false } as const;
      const asked = request(url, options, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asked.on('error', ({ message }) => resolve(message));
      asked.end();
    });
  };
  // The first who has its certificate may be quicker than the relay.
  await vi.waitFor(async () => expect(await ask('box-2')).toBe(404), soon);
  await vi.waitFor(async () => expect(await ask('box-3')).toBe(403), soon);
  expect(await ask()).toBe(401);
});
