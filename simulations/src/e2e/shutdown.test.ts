// An agent that is told to stop while apps wait for the cloud: over each of its ports they have their local answer.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMnist } from '@skerry/models/training';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createGrpcClient } from '../conformance/open-inference/grpc.ts';
import { inferDigit } from '../fleet/agent-client.ts';
import { startProcess } from '../fleet/process.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const soon = { timeout: 30_000, interval: 50 };
const policy = { skerry_policy: 'cloud-only' };
const deadlineMs = 60_000;

it('who waits is answered when the agent stops', { timeout: 90_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-shutdown-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': join(folder, 'coordinator'),
    'http-port': 0,
    'mqtt-port': 0,
  });
  onTestFinished(() => coordinator.stop());
  const port = Number(new URL(coordinator.mqttUrl ?? '').port);
  const proxy = await createTcpProxy({ host: '127.0.0.1', port });
  onTestFinished(() => proxy.close());
  const agent = await startProcess('agent', 'agent', {
    'data-dir': join(folder, 'agent'),
    'http-port': 0,
    'grpc-port': 0,
    broker: `mqtt://127.0.0.1:${proxy.port}`,
  });
  onTestFinished(() => agent.stop());
  const grpc = createGrpcClient(`127.0.0.1:${agent.grpcPort}`);
  onTestFinished(() => grpc.close());
  const image = (await readMnist()).test.pixels.slice(0, 784);
  await vi.waitFor(
    async () =>
      expect(await inferDigit(agent.httpUrl, 'first', image, policy)).toMatchObject({
        source: 'cloud',
      }),
    soon,
  );

  proxy.set('black-hole');
  const parameters = { ...policy, skerry_deadline_ms: deadlineMs };
  const overHttp = inferDigit(agent.httpUrl, 'http', image, parameters);
  const input = { name: 'image', datatype: 'UINT8', shape: [1, 1, 28, 28] };
  const request = {
    modelName: 'digits',
    id: 'grpc',
    parameters: { skerry_policy: { stringParam: policy.skerry_policy } },
    inputs: [input],
    rawInputContents: [image],
  };
  const overGrpc = grpc.call('ModelInfer', request, deadlineMs);
  for (const id of ['http', 'grpc'])
    await vi.waitFor(
      async () => expect((await fetch(`${agent.httpUrl}/v1/answers/${id}`)).status).toBe(200),
      soon,
    );
  await agent.stop();
  expect(await overHttp).toMatchObject({ degraded: true, pending: true });
  expect(await overGrpc).toMatchObject({
    status: 'OK',
    message: { parameters: { degraded: { boolParam: true }, pending: { boolParam: true } } },
  });
});
