// What an app on the device notices when the cloud falls silent: the same images, asked of a real agent, with the
// coordinator up or behind a black hole that takes every byte and returns none.

import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import { startProcess } from '../../fleet/process.ts';
import { createTcpProxy } from '../../net/tcp-proxy.ts';
import { createHttpClient, type HttpClient } from '../http-client.ts';
import type { Image } from '../image.ts';
import { type Latencies, latenciesOf } from '../statistics.ts';
import { readImages } from '../workload.ts';

export interface CutOffOptions {
  readonly folder: string;
  readonly images: string;
  readonly requests: number;
  readonly cloud: 'up' | 'black-hole';
}

export interface CutOff {
  /** Requests that the edge exit answers with its guarantee. */
  readonly confident: Latencies;
  /** The others: asked of the cloud, or degraded. */
  readonly unsure: Latencies;
  readonly unsureWorstMs: number;
  readonly unsureShare: number;
  readonly degradedShare: number;
  /** To and from the cloud, as the proxy has counted them, for each image asked. */
  readonly bytesUpEach: number;
  readonly bytesDownEach: number;
}

/** Requests under way at once: an app that asks again while one answer is awaited. */
const concurrency = 2;
const warmUpImages = 200;
const connectTimeoutMs = 20_000;
const pollMs = 20;

export async function cutOff({ folder, images, requests, cloud }: CutOffOptions): Promise<CutOff> {
  const data = await mkdtemp(join(folder, 'cut-off-'));
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'http-port': 0,
    'mqtt-port': 0,
    'data-dir': join(data, 'coordinator'),
  });
  const { hostname, port } = new URL(coordinator.mqttUrl ?? '');
  const proxy = await createTcpProxy({ host: hostname, port: Number(port) });
  const agent = await startProcess('agent', 'bench', {
    device: 'bench',
    'http-port': 0,
    'data-dir': join(data, 'agent'),
    broker: `mqtt://127.0.0.1:${proxy.port}`,
  });
  const client = createHttpClient(agent.httpUrl);
  await linkUp(client);
  const all = await readImages(images);
  await ask(client, all.slice(-warmUpImages));
  if (cloud === 'black-hole') proxy.set('black-hole');
  const before = { ...proxy.bytes };
  const asked = await ask(client, all.slice(0, requests));
  const bytes = { up: proxy.bytes.up - before.up, down: proxy.bytes.down - before.down };
  client.close();
  await agent.kill();
  await proxy.close();
  await coordinator.stop();
  return summarize(asked, bytes);
}

async function linkUp(client: HttpClient): Promise<void> {
  const untilMs = performance.now() + connectTimeoutMs;
  while ((await client.linkState()) !== 'up') {
    assert(performance.now() < untilMs, 'the agent reaches its coordinator');
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

type Asked = Awaited<ReturnType<HttpClient['infer']>>;

async function ask(client: HttpClient, images: readonly Image[]): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  const queue = images.values();
  const worker = async (): Promise<void> => {
    for (const pixels of queue) asked.push(await client.infer('digits', pixels));
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return asked;
}

function summarize(asked: readonly Asked[], bytes: { up: number; down: number }): CutOff {
  const isUnsure = ({ source, degraded }: Asked): boolean => degraded || source === 'cloud';
  const timesOf = (some: readonly Asked[]) => some.map(({ latencyMs }) => latencyMs);
  const unsure = asked.filter(isUnsure);
  return {
    confident: latenciesOf(timesOf(asked.filter((answer) => !isUnsure(answer)))),
    unsure: latenciesOf(timesOf(unsure)),
    unsureWorstMs: Math.max(...timesOf(unsure)),
    unsureShare: unsure.length / asked.length,
    degradedShare: unsure.filter(({ degraded }) => degraded).length / unsure.length,
    bytesUpEach: bytes.up / asked.length,
    bytesDownEach: bytes.down / asked.length,
  };
}
