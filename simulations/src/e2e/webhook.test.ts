// Two real processes: a late answer reaches an app's webhook over the agent's own death, signed; and the coordinator
// tells the risk of confident answers from the audits that the agent has sent.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readMnist } from '@skerry/models/training';
import { assert } from '@skerry/shared';
import { expect, it, onTestFinished, vi } from 'vitest';
import { inferDigit } from '../fleet/agent-client.ts';
import { startProcess } from '../fleet/process.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const key = Buffer.alloc(24, 7);
const soon = { timeout: 30_000, interval: 50 };
const imageBytes = 784;

/** An app that is away for its first call, and checks each signature. */
async function listenAsApp() {
  const told: { id: string; data: { id: string; delivery: string } }[] = [];
  let calls = 0;
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const header = (name: string) => String(request.headers[`webhook-${name}`]);
    const signed = createHmac('sha256', key).update(
      `${header('id')}.${header('timestamp')}.${body}`,
    );
    if (header('signature') !== `v1,${signed.digest('base64')}`) response.statusCode = 401;
    else if (calls++ === 0) response.statusCode = 503;
    else told.push({ id: header('id'), ...JSON.parse(body) });
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  assert(typeof address === 'object' && address !== null, 'an address');
  return { told, url: `http://127.0.0.1:${address.port}/answers` };
}

it('late answers are pushed, and audits tell the risk', { timeout: 90_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-webhook-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const app = await listenAsApp();
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': join(folder, 'coordinator'),
    'http-port': 0,
    'mqtt-port': 0,
  });
  onTestFinished(() => coordinator.stop());
  const port = Number(new URL(coordinator.mqttUrl ?? '').port);
  const proxy = await createTcpProxy({ host: '127.0.0.1', port });
  onTestFinished(() => proxy.close());
  proxy.set('cut');
  const startAgent = () =>
    startProcess('agent', 'agent', {
      'data-dir': join(folder, 'agent'),
      'http-port': 0,
      'audit-share': 1,
      broker: `mqtt://127.0.0.1:${proxy.port}`,
      'webhook-url': app.url,
      'webhook-secret': `whsec_${key.toString('base64')}`,
    });
  const { pixels } = (await readMnist()).test;
  const imageAt = (i: number) => pixels.subarray(i * imageBytes, (i + 1) * imageBytes);

  const first = await startAgent();
  const asked = await inferDigit(first.httpUrl, 'late', imageAt(0), {
    skerry_policy: 'cloud-only',
  });
  expect(asked).toMatchObject({ degraded: true, pending: true });
  await first.kill();
  proxy.set('pass');
  const second = await startAgent();
  onTestFinished(() => second.stop());
  await vi.waitFor(
    () => expect(app.told).toMatchObject([{ data: { id: 'late', delivery: 'late' } }]),
    soon,
  );

  let confident = 0;
  for (let i = 1; i <= 40; i++) {
    const { source, degraded } = await inferDigit(second.httpUrl, `q${i}`, imageAt(i));
    if (source === 'exit:1' && !degraded) confident++;
  }
  expect(confident).toBeGreaterThan(20);
  const risks = async () => (await fetch(`${coordinator.httpUrl}/v1/risks`)).json();
  await vi.waitFor(
    async () =>
      expect(await risks()).toMatchObject({
        risks: [{ model: 'digits', exit: 1, audited: confident, alarm: false }],
      }),
    soon,
  );
});
