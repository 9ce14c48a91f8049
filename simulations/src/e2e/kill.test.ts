// kill -9 of an agent and of the coordinator, at moments that a seed chooses, while an app asks and listens.
// What the app was promised, it gets: an answer that was announced as pending arrives on the stream exactly once,
// and one that came with its request never comes again.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMnist } from '@skerry/models/training';
import { createRandom } from '@skerry/shared';
import { expect, it, onTestFinished } from 'vitest';
import { followAnswers, inferDigit } from '../fleet/agent-client.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';

const requests = 240;
const kills = ['agent', 'coordinator', 'agent', 'coordinator', 'agent'] as const;
const pauseMs = 20;
const settleMs = 30_000;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('no acknowledged escalation is lost or answered twice', { timeout: 90_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-kill-'));
  const abort = new AbortController();
  const processes = new Map<'agent' | 'coordinator', SkerryProcess>();
  onTestFinished(async () => {
    abort.abort();
    for (const process of processes.values()) await process.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const portOf = (url: string | undefined) => Number(new URL(url ?? '').port);
  const startCoordinator = async () => {
    const before = processes.get('coordinator');
    const started = await startProcess('coordinator', 'coordinator', {
      'data-dir': join(folder, 'coordinator'),
      'http-port': before === undefined ? 0 : portOf(before.httpUrl),
      'mqtt-port': before === undefined ? 0 : portOf(before.mqttUrl),
      'next-exchange-ms': 1000,
    });
    processes.set('coordinator', started);
  };
  const startAgent = async () => {
    const before = processes.get('agent');
    const started = await startProcess('agent', 'agent', {
      'data-dir': join(folder, 'agent'),
      broker: processes.get('coordinator')?.mqttUrl ?? '',
      'http-port': before === undefined ? 0 : portOf(before.httpUrl),
    });
    processes.set('agent', started);
  };
  await startCoordinator();
  await startAgent();

  const streamed: string[] = [];
  const agentUrl = () => processes.get('agent')?.httpUrl ?? '';
  void followAnswers(agentUrl, ({ id }) => streamed.push(id), abort.signal);

  const { pixels } = (await readMnist()).test;
  const promised = new Set<string>();
  const given = new Set<string>();
  const ask = async (i: number) => {
    const id = `q${i}`;
    const image = pixels.subarray(i * 784, (i + 1) * 784);
    const parameters = {
      skerry_policy: 'cloud-only',
      // Every other app does not wait: its answer is local, and the cloud's is promised.
      skerry_deadline_ms: i % 2 === 0 ? 1 : 3000,
    };
    const answer = await inferDigit(agentUrl(), id, image, parameters);
    if (answer.pending) promised.add(id);
    else if (answer.source === 'cloud') given.add(id);
  };

  const random = createRandom(7);
  const victims = [...kills];
  let nextKill = 20 + random.below(20);
  for (let i = 0; i < requests; i++) {
    // Refused connections while the agent is dead are no promise.
    const asked = ask(i).catch(() => undefined);
    if (i === nextKill) {
      const victim = victims.shift();
      nextKill += 30 + random.below(20);
      await sleep(random.below(20));
      if (victim !== undefined) {
        await processes.get(victim)?.kill();
        await (victim === 'agent' ? startAgent() : startCoordinator());
      }
    }
    await Promise.race([asked, sleep(pauseMs)]);
  }
  expect(victims).toEqual([]);

  const missing = () => [...promised].filter((id) => !streamed.includes(id));
  const deadlineMs = performance.now() + settleMs;
  while (missing().length > 0 && performance.now() < deadlineMs) await sleep(100);
  await sleep(500); // For what should not come.

  expect(promised.size).toBeGreaterThan(10);
  expect(given.size).toBeGreaterThan(10);
  expect(missing()).toEqual([]);
  expect(streamed.filter((id, i) => streamed.indexOf(id) !== i)).toEqual([]);
  expect(streamed.filter((id) => given.has(id))).toEqual([]);
});
