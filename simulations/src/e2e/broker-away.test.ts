// The broker away: first it swallows everything and says nothing, then it refuses. Every request has its answer by its
// deadline all the same, nobody waits for a link that is known to be gone, and the late answers come when it is back.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMnist } from '@skerry/models/training';
import { expect, it, onTestFinished, vi } from 'vitest';
import { followAnswers, inferDigit } from '../fleet/agent-client.ts';
import { startProcess } from '../fleet/process.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const cloudOnly = { skerry_policy: 'cloud-only', skerry_deadline_ms: 400 };
const soon = { timeout: 30_000, interval: 50 };

it('every request is answered, and what was promised comes', { timeout: 90_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-away-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': join(folder, 'coordinator'),
    'http-port': 0,
    'mqtt-port': 0,
    'next-exchange-ms': 1000,
  });
  onTestFinished(() => coordinator.stop());
  const port = Number(new URL(coordinator.mqttUrl ?? '').port);
  const proxy = await createTcpProxy({ host: '127.0.0.1', port });
  onTestFinished(() => proxy.close());
  const agent = await startProcess('agent', 'agent', {
    'data-dir': join(folder, 'agent'),
    'http-port': 0,
    broker: `mqtt://127.0.0.1:${proxy.port}`,
  });
  onTestFinished(() => agent.stop());
  const late: string[] = [];
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  void followAnswers(
    () => agent.httpUrl,
    ({ id }) => late.push(id),
    abort.signal,
  );

  const { pixels } = (await readMnist()).test;
  let asked = 0;
  const ask = async () => {
    const id = `q${asked++}`;
    const image = pixels.subarray(asked * 784, (asked + 1) * 784);
    return { id, ...(await inferDigit(agent.httpUrl, id, image, cloudOnly)) };
  };
  await vi.waitFor(async () => expect(await ask()).toMatchObject({ source: 'cloud' }), soon);

  const promised: string[] = [];
  const reasons = new Set<string>();
  for (const mode of ['black-hole', 'cut'] as const) {
    proxy.set(mode);
    for (let i = 0; i < 20; i++) {
      const { id, pending, reason, degraded } = await ask();
      expect({ degraded, pending }).toEqual({ degraded: true, pending: true });
      promised.push(id);
      reasons.add(reason);
    }
  }
  // The first of each kind may wait for its deadline; those after it know better.
  expect([...reasons]).toEqual(expect.arrayContaining(['link stalled', 'link down']));

  proxy.set('pass');
  await vi.waitFor(() => expect(late).toEqual(expect.arrayContaining(promised)), soon);
  expect(new Set(late).size).toBe(late.length);
  await vi.waitFor(async () => expect(await ask()).toMatchObject({ source: 'cloud' }), soon);
});
