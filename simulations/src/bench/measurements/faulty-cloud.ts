// One app that asks one image after the other for some seconds while the way to the cloud has a fault. Two devices: a
// real Skerry agent, and one that escalates as Sedna's client does.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { predict } from '@skerry/models';
import { readBundle } from '@skerry/models/node';
import { assert, createRandom, defined } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { createFaultProxy, type Fault } from '../../net/fault-proxy.ts';
import { type Image, imageShape } from '../image.ts';
import { expectOk } from '../in-process-agent.ts';
import { isUnsure, openLinkedAgent } from '../linked-agent.ts';
import { type Latencies, latenciesOf } from '../statistics.ts';
import { readImages } from '../workload.ts';

export interface FaultyCloudOptions {
  readonly folder: string;
  readonly bundle: string;
  readonly images: string;
  readonly device: 'skerry' | 'sedna';
  readonly fault: Fault;
  readonly seconds: number;
}

export interface FaultyCloud {
  readonly answersPerSecond: number;
  /** Answers from an exit that could be trusted. */
  readonly confident: Latencies;
  readonly unsureWorstMs: number;
  /** The device itself had no time for its model: what the machine's other work does. */
  readonly refused: number;
  /** At the end a question had no answer: the worst is a lower bound. */
  readonly hung: boolean;
}

interface Answered {
  readonly unsure: boolean;
  readonly latencyMs: number;
}

interface Device {
  /** Undefined: refused. */
  ask(pixels: Image): Promise<Answered | undefined>;
  set(fault: Fault): void;
  close(): Promise<void>;
}

const warmUpImages = 300;
/** For the question that is under way when the time is over. */
const graceMs = 1_000;
const seed = 1;

export async function faultyCloud(options: FaultyCloudOptions): Promise<FaultyCloud> {
  const device = await (options.device === 'skerry' ? openSkerry(options) : openSedna(options));
  const images = await readImages(options.images);
  for (const pixels of images.slice(-warmUpImages)) await device.ask(pixels);
  device.set(options.fault);
  const confidentMs: number[] = [];
  let unsureWorstMs = 0;
  const startedMs = performance.now();
  const untilMs = startedMs + 1_000 * options.seconds;
  let hung = false;
  let unsure = 0;
  let refused = 0;
  for (let i = 0; !hung && performance.now() < untilMs; i++) {
    const askedMs = performance.now();
    const asked = device.ask(images[i % images.length] as Image);
    const answer = await before(untilMs + graceMs, asked);
    hung = answer === 'not yet';
    if (answer === undefined) refused += 1;
    else if (answer === 'not yet')
      unsureWorstMs = Math.max(unsureWorstMs, performance.now() - askedMs);
    else if (answer.unsure) {
      unsure += 1;
      unsureWorstMs = Math.max(unsureWorstMs, answer.latencyMs);
    } else confidentMs.push(answer.latencyMs);
  }
  await device.close();
  return {
    answersPerSecond: (confidentMs.length + unsure) / options.seconds,
    refused,
    confident: latenciesOf(confidentMs),
    unsureWorstMs,
    hung,
  };
}

async function before<T>(untilMs: number, work: Promise<T>): Promise<T | 'not yet'> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<'not yet'>((resolve) => {
    timer = setTimeout(() => resolve('not yet'), Math.max(0, untilMs - performance.now()));
  });
  const found = await Promise.race([work, over]);
  clearTimeout(timer);
  return found;
}

async function openSkerry({ folder }: FaultyCloudOptions): Promise<Device> {
  const { client, link, close } = await openLinkedAgent(folder, (broker) =>
    createFaultProxy({ ...broker, refuses: 'reset' }, createRandom(seed)),
  );
  return {
    async ask(pixels) {
      const asked = await client.infer('digits', pixels).catch(() => undefined);
      return asked && { unsure: isUnsure(asked), latencyMs: asked.latencyMs };
    },
    set: link.set,
    close,
  };
}

const triesMax = 5;
const betweenTriesMs = 3_000;

/**
 * As joint_inference.py and client.py of Sedna do it: the input as JSON, five tries three seconds apart, no timeout, and
 * then the device's own answer. Its cloud answers at once, without a model.
 */
async function openSedna({ bundle }: FaultyCloudOptions): Promise<Device> {
  const { variant, stages } = expectOk(await readBundle(bundle, ['edge']));
  const exit = defined(variant.calibration.exits[0], 'the first exit');
  const session = await ort.InferenceSession.create(defined([...stages.values()][0], 'a stage'), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const cloud = createServer(async (request, response) => {
    await buffer(request);
    response.end('{"label":0}');
  }).listen(0, '127.0.0.1');
  await once(cloud, 'listening');
  const address = cloud.address();
  assert(typeof address === 'object' && address !== null, 'an address');
  const proxy = await createFaultProxy(
    { host: '127.0.0.1', port: address.port, refuses: '503' },
    createRandom(seed),
  );
  const closing = new AbortController();
  const escalate = async (pixels: Image): Promise<void> => {
    const body = JSON.stringify({ data: [...pixels] });
    for (let attempt = 1; attempt <= triesMax && !closing.signal.aborted; attempt++) {
      const sent = { method: 'POST', body, signal: closing.signal };
      const reply = await fetch(`http://127.0.0.1:${proxy.port}/`, sent).catch(() => undefined);
      if (reply?.ok && (await reply.text().catch(() => '')) !== '') return;
      if (attempt < triesMax) await new Promise((resolve) => setTimeout(resolve, betweenTriesMs));
    }
  };
  return {
    async ask(pixels) {
      const startedMs = performance.now();
      const results = await session.run({ image: new ort.Tensor('uint8', pixels, imageShape) });
      const logits = defined(results['logits'], 'logits').data as Float32Array;
      const unsure = predict(logits, exit.temperature).confidence < (exit.threshold ?? 1);
      if (unsure) await escalate(pixels);
      return { unsure, latencyMs: performance.now() - startedMs };
    },
    set: proxy.set,
    async close() {
      closing.abort();
      await proxy.close();
      cloud.closeAllConnections();
      cloud.close();
    },
  };
}
