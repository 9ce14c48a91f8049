import { createRestHandler } from '@skerry/models/open-inference';
import { err, failure, ok, silentLog } from '@skerry/shared';
import type { SuspicionRecord } from '@skerry/sync-protocol';
import { createVirtualClock } from '@skerry/sync-protocol/testing';
import { describe, expect, it, vi } from 'vitest';
import type { DeviceView } from '../fleet/device-registry.ts';
import { createDecisionFeed } from '../observe/decision-feed.ts';
import { createMetrics } from '../observe/metrics.ts';
import { type AppPorts, createApp } from './app.ts';
import { readConsoleFiles } from './console-files.ts';
import { devicesSchema, deviceViewSchema } from './openapi/operator-api.ts';

const device: DeviceView = {
  device: 'device-1',
  epoch: 'e1',
  firstSeenMs: 1,
  lastSeenMs: 2,
  status: undefined,
  online: true,
};
const suspicion: SuspicionRecord = {
  device: 'device-1',
  kind: 'restored',
  times: 2,
  firstMs: 6,
  lastMs: 7,
};
const decision = {
  requestId: 'r1',
  atMs: 1,
  model: 'digits',
  source: 'exit:1',
  label: '3',
  confidence: 0.98,
  reason: 'confident',
  latencyMs: 0.4,
};

const openInferenceOf = (ready: () => boolean) =>
  createRestHandler({ name: 'test', version: '1', extensions: [], ready, models: () => [] }, 1_024);

function fresh(change: Partial<AppPorts> = {}) {
  const decisions = createDecisionFeed({ decisionsMax: 2, subscribersMax: 1 });
  const app = createApp({
    devices: {
      list: (devicesMax) => [device].slice(0, devicesMax),
      get: (id) => (id === device.device ? device : undefined),
      totals: () => ({ known: 1, online: 1 }),
    },
    audits: { report: async () => ok([]) },
    store: { suspicions: async () => ok([suspicion]) },
    models: { list: () => [] },
    openInference: openInferenceOf(change.ready ?? (() => true)),
    text: async () => err(failure('unavailable', 'no text')),
    bodyBytesMax: 1_024,
    upstreams: { status: () => [] },
    documents: {
      read: async (document) => err(failure('not_found', document)),
      patch: async (document) => err(failure('not_found', document)),
    },
    decisions,
    metrics: createMetrics(),
    consoleFiles: readConsoleFiles(),
    clock: createVirtualClock(),
    log: silentLog,
    ready: () => true,
    ...change,
  });
  return { app, decisions, get: async (path: string) => app.request(path) };
}

describe('the HTTP API', () => {
  it('tells of devices, of one device, and of none', async () => {
    const { get } = fresh();
    expect(await (await get('/v1/devices')).json()).toMatchObject({
      devices: [{ device: 'device-1', online: true }],
      totals: { known: 1, online: 1 },
    });
    for (const query of ['limit=0', 'limit=100000', 'after=..', 'from=1'])
      expect(await (await get(`/v1/devices?${query}`)).json()).toMatchObject({
        code: 'invalid_argument',
      });
    expect((await get('/v1/devices/device-1')).status).toBe(200);
    const missing = await get('/v1/devices/nobody');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toEqual({ error: "no device 'nobody'", code: 'not_found' });
  });

  it('[OPS13] describes itself, and answers as it says', async () => {
    const { get } = fresh();
    expect(await (await get('/v1/openapi.json')).json()).toMatchObject({ openapi: '3.1.0' });
    const list = devicesSchema.safeParse(await (await get('/v1/devices')).json());
    expect(list.error).toBeUndefined();
    const one = deviceViewSchema.safeParse(await (await get('/v1/devices/device-1')).json());
    expect(one.error).toBeUndefined();
  });

  it('[EPO4] shows in a device’s record that its disk went back in time, how often and when', async () => {
    const { get } = fresh();
    const suspicions = [{ kind: 'restored', times: 2, firstMs: 6, lastMs: 7 }];
    expect(await (await get('/v1/devices/device-1')).json()).toMatchObject({ suspicions });
    expect(await (await get('/v1/devices')).json()).toMatchObject({ devices: [{ suspicions }] });
    const failing = fresh({
      store: { suspicions: async () => err(failure('storage_failed', 'no disk')) },
    });
    expect((await failing.get('/v1/devices/device-1')).status).toBe(500);
  });

  it('answers an unknown path and a broken handler with an error and its code', async () => {
    const { get } = fresh({
      devices: {
        list() {
          throw new Error('a bug');
        },
        get: () => undefined,
        totals: () => ({ known: 0, online: 0 }),
      },
    });
    expect(await (await get('/v1/nothing')).json()).toMatchObject({ code: 'not_found' });
    const broken = await get('/v1/devices');
    expect(broken.status).toBe(503);
    expect(await broken.json()).toMatchObject({ code: 'unavailable' });
  });

  it('is alive without a broker, and not ready', async () => {
    const { get } = fresh({ ready: () => false });
    expect((await get('/v2/health/live')).status).toBe(200);
    expect((await get('/v2/health/ready')).status).toBe(503);
    expect(await (await get('/healthz')).json()).toEqual({ live: true, ready: false });
  });

  it('streams the decisions known and those to come, each once', async () => {
    const { get, decisions } = fresh();
    decisions.publish('device-1', [decision]);
    const response = await get('/v1/decisions/stream');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const readUntil = async (part: string) => {
      while (!text.includes(part)) text += (await reader?.read())?.value ?? '';
    };
    await readUntil('"requestId":"r1"');
    decisions.publish('device-1', [decision, { ...decision, requestId: 'r2' }]);
    await readUntil('"requestId":"r2"');
    expect(text.match(/event: decision/g)).toHaveLength(2);
    expect((await get('/v1/decisions/stream')).status).toBe(503); // One viewer is the bound here.
    await reader?.cancel();
    await vi.waitFor(async () => {
      const next = await get('/v1/decisions/stream');
      await next.body?.cancel();
      expect(next.status).toBe(200);
    });
  });

  it('serves a console that may load nothing from elsewhere', async () => {
    const { get } = fresh();
    const page = await get('/');
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const html = await page.text();
    for (const [, path = ''] of html.matchAll(/(?:src|href)="(\/[^"]*)"/g))
      expect((await get(path)).status, path).toBe(200);
    expect(html).not.toMatch(/(?:src|href)="(?![/#])/);
  });

  it('shows its metrics to Prometheus', async () => {
    const metrics = createMetrics();
    metrics.failed('malformed_message');
    const text = await (await fresh({ metrics }).get('/metrics')).text();
    expect(text).toContain('skerry_failures_total{code="malformed_message"} 1');
  });
});
