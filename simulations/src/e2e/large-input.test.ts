// A question whose input is as large as a 224 × 224 float image: it goes up as a blob before the op that names it, over
// HTTP and over MQTT alone, and is answered, also when the link was away when it was asked.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSampleBundle } from '@skerry/models/testing';
import { createRandom } from '@skerry/shared';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { followAnswers, type LateAnswer } from '../fleet/agent-client.ts';
import { startProcess } from '../fleet/process.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

/** 224 × 224 × 3 floats, and the two bytes that the sample's first exit takes. */
const imageBytes = 224 * 224 * 3 * 4 + 2;
const patience = { timeout: 30_000, interval: 50 };

async function world(wire: 'http' | 'chunks') {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-large-input-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const bundles = join(folder, 'bundle');
  await writeSampleBundle(bundles, imageBytes);
  const start: typeof startProcess = async (kind, name, flags) => {
    const folders = { bundles, 'data-dir': join(folder, name), 'http-port': 0 };
    const process = await startProcess(kind, name, { ...folders, ...flags });
    onTestFinished(() => process.stop());
    return process;
  };
  const coordinator = await start('coordinator', 'coordinator', { 'mqtt-port': 0 });
  const port = Number(new URL(coordinator.mqttUrl ?? '').port);
  const proxy = await createTcpProxy({ host: '127.0.0.1', port });
  onTestFinished(() => proxy.close());
  const startAgent = () =>
    start('agent', 'box', {
      device: 'box',
      broker: `mqtt://127.0.0.1:${proxy.port}`,
      ...(wire === 'http' ? { 'coordinator-url': coordinator.httpUrl } : {}),
    });
  const agent = await startAgent();
  await vi.waitFor(async () => {
    const health = await (await fetch(`${agent.httpUrl}/healthz`)).json();
    expect(health).toMatchObject({ link: { state: 'up' } });
  }, patience);
  return { agent, startAgent, proxy };
}

/** Unsure at the first exit; the cloud says `right`. Noise, so that nothing of it deflates away. */
function noise(seed: number): Uint8Array {
  const random = createRandom(seed);
  const image = Uint8Array.from({ length: imageBytes }, () => random.uint32());
  image.set([16, 16]);
  image.set([0, 64], imageBytes - 2);
  return image;
}

async function ask(url: string, id: string, image: Uint8Array, parameters: object) {
  const header = new TextEncoder().encode(
    JSON.stringify({
      id,
      parameters,
      inputs: [
        {
          name: 'image',
          shape: [1, 1, 2, imageBytes / 2],
          datatype: 'UINT8',
          parameters: { binary_data_size: image.byteLength },
        },
      ],
      outputs: [{ name: 'label' }],
    }),
  );
  const response = await fetch(`${url}/v2/models/sample/infer`, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(header.byteLength) },
    body: Buffer.concat([header, image]),
  });
  return response.json();
}

describe.each(['http', 'chunks'] as const)('an input larger than a message, over %s', (wire) => {
  it('[UPF2] goes up as a blob and is answered in time', { timeout: 60_000 }, async () => {
    const { agent } = await world(wire);
    const waits = { skerry_policy: 'cloud-only', skerry_deadline_ms: 20_000 };
    const answer = await ask(agent.httpUrl, 'q1', noise(1), waits);
    expect(answer).toMatchObject({
      parameters: { source: 'cloud', degraded: false },
      outputs: [{ data: ['right'] }],
    });
    expect(await (await fetch(`${agent.httpUrl}/v1/transfers`)).json()).toMatchObject({
      transfers: [{ direction: 'send', bytes: imageBytes - 2, wire, phase: 'done' }],
    });
  });
});

it('[UPF2] asked while the link is away, and killed before it came back, it is answered once', {
  timeout: 60_000,
}, async () => {
  const { agent, startAgent, proxy } = await world('chunks');
  proxy.set('cut');
  const soon = { skerry_policy: 'edge-then-async', skerry_deadline_ms: 5_000 };
  const answer = await ask(agent.httpUrl, 'q1', noise(2), soon);
  expect(answer).toMatchObject({ parameters: { degraded: true, pending: true } });
  await agent.kill();
  const again = await startAgent();
  const late: LateAnswer[] = [];
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  void followAnswers(
    () => again.httpUrl,
    (answer) => late.push(answer),
    stop.signal,
  );
  proxy.set('pass');
  await vi.waitFor(() => expect(late).toHaveLength(1), patience);
  expect(late).toMatchObject([{ label: 'right' }]);
});
