// One coordinator as a process, asked for whole networks over the Open Inference Protocol by clients who do not wait for
// each other: requests come at their times whatever the server does, and a latency counts from the time that the request
// was due, so that a server which falls behind cannot hide it.

import { mkdtemp } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { percentile } from '../../demo/scoreboard.ts';
import { startProcess } from '../../fleet/process.ts';
import { type Image, imageShape } from '../image.ts';
import { readImages } from '../workload.ts';

export interface ServingLoadOptions {
  readonly folder: string;
  readonly bundle: string;
  readonly model: string;
  readonly images: string;
  readonly batchRowsMax: number;
  readonly batchDelayMs: number;
  readonly requestsPerSecond: number;
  readonly windowMs: number;
}

export interface ServingLoad {
  readonly answeredPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Not answered with 200. */
  readonly refused: number;
  readonly averageBatch: number;
}

const warmMs = 1_000;
const tickMs = 1;
const socketsMax = 256;

export async function servingLoad(options: ServingLoadOptions): Promise<ServingLoad> {
  const { folder, bundle, model, batchRowsMax, batchDelayMs, requestsPerSecond } = options;
  const coordinator = await startProcess('coordinator', 'bench', {
    bundles: bundle,
    'http-port': 0,
    'mqtt-port': 0,
    'data-dir': await mkdtemp(join(folder, 'coordinator-')),
    'batch-rows-max': batchRowsMax,
    'batch-delay-ms': batchDelayMs,
  });
  const images = (await readImages(options.images)).slice(0, 1_000).map(bodyOf);
  const client = createClient(coordinator.httpUrl, model);
  await openLoop(client, images, requestsPerSecond, warmMs);
  const before = await client.counts();
  const samples = await openLoop(client, images, requestsPerSecond, options.windowMs);
  const after = await client.counts();
  client.close();
  await coordinator.stop();
  const answered = samples.filter(({ ok }) => ok).map(({ latencyMs }) => latencyMs);
  return {
    answeredPerSecond: (1_000 * answered.length) / options.windowMs,
    p50Ms: percentile(answered, 0.5),
    p99Ms: percentile(answered, 0.99),
    refused: samples.length - answered.length,
    averageBatch: (after.inferences - before.inferences) / (after.executions - before.executions),
  };
}

interface Sample {
  readonly ok: boolean;
  readonly latencyMs: number;
}

type Client = ReturnType<typeof createClient>;

async function openLoop(
  client: Client,
  bodies: readonly RequestBody[],
  perSecond: number,
  windowMs: number,
): Promise<Sample[]> {
  const total = Math.round((perSecond * windowMs) / 1_000);
  const startedMs = performance.now();
  const running: Promise<Sample>[] = [];
  while (running.length < total) {
    const due = Math.floor(((performance.now() - startedMs) * perSecond) / 1_000);
    for (let i = running.length; i < Math.min(due, total); i++) {
      const dueMs = startedMs + (1_000 * i) / perSecond;
      const sent = client.infer(bodies[i % bodies.length] as RequestBody);
      running.push(sent.then((ok) => ({ ok, latencyMs: performance.now() - dueMs })));
    }
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  return Promise.all(running);
}

interface RequestBody {
  readonly bytes: Buffer;
  readonly headerLength: number;
}

function bodyOf(pixels: Image): RequestBody {
  const parameters = { binary_data_size: pixels.byteLength };
  const header = Buffer.from(
    JSON.stringify({
      inputs: [{ name: 'image', shape: imageShape, datatype: 'UINT8', parameters }],
      outputs: [{ name: 'label' }],
    }),
  );
  return { bytes: Buffer.concat([header, pixels]), headerLength: header.byteLength };
}

const statsSchema = z.object({
  model_stats: z.tuple([z.object({ inference_count: z.number(), execution_count: z.number() })]),
});

function createClient(baseUrl: string, model: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: socketsMax });
  const { hostname, port } = new URL(baseUrl);
  return {
    infer: ({ bytes, headerLength }: RequestBody): Promise<boolean> =>
      new Promise((resolve) => {
        const headers = {
          'inference-header-content-length': headerLength,
          'content-length': bytes.byteLength,
        };
        const path = `/v2/models/${model}/infer`;
        const sent = request({ agent, hostname, port, method: 'POST', path, headers }, (reply) => {
          reply.resume();
          reply.on('end', () => resolve(reply.statusCode === 200));
        });
        sent.on('error', () => resolve(false));
        sent.end(bytes);
      }),
    async counts() {
      const reply = await fetch(`${baseUrl}/v2/models/${model}/stats`);
      const [stats] = statsSchema.parse(await reply.json()).model_stats;
      return { inferences: stats.inference_count, executions: stats.execution_count };
    },
    close: () => agent.destroy(),
  };
}
