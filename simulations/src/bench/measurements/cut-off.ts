// What an app on the device notices when the cloud falls silent: the same images, asked of a real agent, with the
// coordinator up or behind a black hole that takes every byte and returns none.

import { createTcpProxy } from '../../net/tcp-proxy.ts';
import type { HttpClient } from '../http-client.ts';
import type { Image } from '../image.ts';
import { type Asked, isUnsure, openLinkedAgent } from '../linked-agent.ts';
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

export async function cutOff({ folder, images, requests, cloud }: CutOffOptions): Promise<CutOff> {
  const { client, link: proxy, close } = await openLinkedAgent(folder, createTcpProxy);
  const all = await readImages(images);
  await ask(client, all.slice(-warmUpImages));
  if (cloud === 'black-hole') proxy.set('black-hole');
  const before = { ...proxy.bytes };
  const asked = await ask(client, all.slice(0, requests));
  const bytes = { up: proxy.bytes.up - before.up, down: proxy.bytes.down - before.down };
  await close();
  return summarize(asked, bytes);
}

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
