// A device that learns from what people correct, between real processes: a coordinator leads a run of the head of the model that
// the agent runs, the agent is killed with SIGKILL while it trains and starts again, and each round has its update once.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zooDirectory } from '@skerry/models/node';
import { readMnist } from '@skerry/models/training';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';

const bin = new URL('../../../cloud-coordinator/bin/skerry', import.meta.url).pathname;
const rounds = 3;
const examples = 60;

interface Learning {
  readonly doing: { readonly kind: string };
  readonly runs: readonly unknown[];
}

it('[LEA10] an agent that is killed while it trains answers each round once, and the run ends', {
  timeout: 180_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-learn-kill-'));
  const processes: SkerryProcess[] = [];
  onTestFinished(async () => {
    for (const process of processes) await process.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': join(folder, 'coordinator'),
    'http-port': 0,
    'mqtt-port': 0,
    'next-exchange-ms': 1000,
  });
  processes.push(coordinator);
  const env = { PATH: process.env['PATH'] ?? '', SKERRY_COORDINATOR: coordinator.httpUrl };
  await promisify(execFile)(bin, ['model', 'push', join(zooDirectory, 'digits')], { env });
  let port = 0;
  const startAgent = async (): Promise<SkerryProcess> => {
    const started = await startProcess('agent', 'agent', {
      'data-dir': join(folder, 'agent'),
      device: 'device-1',
      broker: coordinator.mqttUrl ?? '',
      'coordinator-url': coordinator.httpUrl,
      'http-port': port,
      'status-interval-ms': 200,
      'learn-models': 'digits',
      'learn-idle-ms': 0,
    });
    port = Number(new URL(started.httpUrl).port);
    processes.push(started);
    return started;
  };
  let agent = await startAgent();
  const { pixels, labels } = (await readMnist()).test;
  for (let i = 0; i < examples; i++) {
    const data = [...pixels.subarray(i * 784, (i + 1) * 784)];
    const inputs = [{ name: 'image', shape: [1, 1, 28, 28], datatype: 'UINT8', data }];
    const parameters = { skerry_label: String(labels[i]) };
    const given = await fetch(`${agent.httpUrl}/v1/examples/digits`, {
      method: 'POST',
      body: JSON.stringify({ inputs, parameters }),
    });
    expect(given.status).toBe(201);
  }
  const learning = async (): Promise<Learning> =>
    (await fetch(`${agent.httpUrl}/v1/learn`)).json() as Promise<Learning>;

  const created = await fetch(`${coordinator.httpUrl}/v1/learn`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      id: 'run-1',
      model: 'digits',
      base: '1.0.0',
      trains: 'head',
      rounds,
      clients: { target: 1, min: 1, overSelect: 1 },
      work: { epochs: 100, batch: 5, learningRate: 0.01 },
      timeouts: { gatherMs: 0, roundMs: 120_000 },
      tellsPerMinute: 6000,
    }),
  });
  expect(created.status).toBe(201);

  const patience = { timeout: 60_000, interval: 20 };
  for (let kill = 0; kill < 2; kill++) {
    await vi.waitFor(async () => expect((await learning()).doing.kind).toBe('running'), patience);
    await agent.kill();
    agent = await startAgent();
  }
  const run = async () =>
    (await (await fetch(`${coordinator.httpUrl}/v1/learn/run-1`)).json()) as Record<
      string,
      unknown
    >;
  await vi.waitFor(
    async () => expect(await run()).toMatchObject({ phase: { kind: 'completed' } }),
    {
      timeout: 90_000,
      interval: 200,
    },
  );
  const latest = Array.from({ length: rounds }, (_, i) => ({
    round: i + 1,
    attempts: 1,
    clients: 1,
    used: 1,
    quarantined: 0,
  }));
  expect(await run()).toMatchObject({ latest });
  // It is told that the run is over, and keeps nothing of it.
  await vi.waitFor(async () => expect((await learning()).runs).toEqual([]), patience);
});
