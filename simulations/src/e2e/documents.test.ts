// Documents over real processes: a twin both ways, and a site's document over a link that is cut and heals.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startProcess } from '../fleet/process.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const soon = { timeout: 30_000, interval: 50 };

interface View {
  readonly value: Readonly<Record<string, unknown>>;
  readonly heads: readonly string[];
  readonly conflicts: Readonly<Record<string, readonly unknown[]>>;
}

async function get(url: string): Promise<View> {
  const response = await fetch(url);
  return (await response.json()) as View;
}

async function patch(url: string, body: unknown): Promise<number> {
  const response = await fetch(url, {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify(body),
  });
  await response.text();
  return response.status;
}

it('a twin goes both ways, and a site converges after a cut link heals', {
  timeout: 90_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-documents-'));
  const closers: (() => Promise<unknown>)[] = [];
  onTestFinished(async () => {
    for (const close of closers.reverse()) await close();
    await rm(folder, { recursive: true, force: true });
  });
  const cloud = await startProcess('coordinator', 'coordinator', {
    'data-dir': join(folder, 'coordinator'),
    'http-port': 0,
    'mqtt-port': 0,
    'next-exchange-ms': 1000,
  });
  closers.push(cloud.stop);
  const broker = new URL(cloud.mqttUrl ?? '');
  const link = await createTcpProxy({ host: broker.hostname, port: Number(broker.port) });
  closers.push(link.close);
  const startAgent = async (device: string, brokerUrl: string): Promise<string> => {
    const agent = await startProcess('agent', device, {
      device,
      site: 'harbour',
      'data-dir': join(folder, device),
      'http-port': 0,
      broker: brokerUrl,
    });
    closers.push(agent.stop);
    return `${agent.httpUrl}/v1/documents`;
  };
  const one = await startAgent('box-1', broker.href);
  const two = await startAgent('box-2', `mqtt://127.0.0.1:${link.port}`);

  const twin = `${cloud.httpUrl}/v1/devices/box-1/twin`;
  expect(await patch(twin, { desired: { intervalS: 30 } })).toBe(200);
  await vi.waitFor(
    async () =>
      expect((await get(`${one}/device`)).value).toMatchObject({ desired: { intervalS: 30 } }),
    soon,
  );
  expect(await patch(`${one}/device`, { desired: { intervalS: 1 } })).toBe(400);
  expect(await patch(`${one}/device`, { reported: { intervalS: 30 } })).toBe(200);
  await vi.waitFor(
    async () => expect((await get(twin)).value).toMatchObject({ reported: { intervalS: 30 } }),
    soon,
  );

  expect(await patch(`${cloud.httpUrl}/v1/fleet/policy`, { quiet: true })).toBe(200);
  expect(await patch(`${two}/fleet`, { quiet: false })).toBe(400);
  await vi.waitFor(
    async () => expect((await get(`${two}/fleet`)).value).toEqual({ quiet: true }),
    soon,
  );

  link.set('cut');
  expect(await patch(`${one}/site`, { lamps: { a: 'on' }, mode: 'day' })).toBe(200);
  expect(await patch(`${two}/site`, { lamps: { b: 'off' }, mode: 'night' })).toBe(200);
  link.set('pass');
  const site = `${cloud.httpUrl}/v1/sites/harbour/document`;
  await vi.waitFor(async () => {
    const views = await Promise.all([`${one}/site`, `${two}/site`, site].map(get));
    for (const view of views) {
      expect(view.value).toMatchObject({ lamps: { a: 'on', b: 'off' } });
      expect([...view.heads].sort()).toEqual([...(views[0]?.heads ?? [])].sort());
      expect([...(view.conflicts['/mode'] ?? []), view.value['mode']].sort()).toEqual([
        'day',
        'night',
      ]);
    }
  }, soon);
});
