// One coordinator as a process, asked for whole networks over the Open Inference Protocol by clients who do not wait for
// each other, at one rate after the other, for the largest that it holds.

import { mkdtemp } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { startProcess } from '../../fleet/process.ts';
import { findLargest } from '../find-largest.ts';
import { type Image, imageShape } from '../image.ts';
import { openLoop } from '../open-loop.ts';
import { latenciesOf } from '../statistics.ts';
import { readImages } from '../workload.ts';

export interface ServingLoadOptions {
  readonly folder: string;
  readonly bundle: string;
  readonly model: string;
  readonly images: string;
  readonly batchRowsMax: number;
  readonly batchDelayMs: number;
  /** The rates to search: see findLargest. */
  readonly firstPerSecond: number;
  readonly mostPerSecond: number;
  readonly triesMax: number;
  readonly windowMs: number;
  readonly p99MsMax: number;
}

/** At the largest rate that held; all 0 where none did. */
export interface ServingLoad {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly averageBatch: number;
}

const nothing: ServingLoad = { perSecond: 0, p50Ms: 0, p99Ms: 0, averageBatch: 0 };
const precision = 0.1;
const lateShareMax = 0.01;
const warmMs = 500;
/** Windows at one rate before it counts as too much: a neighbour's hiccup is not the server's. */
const windowsMax = 3;
/** In a window, or the 99th percentile would be the slowest of a few; so a slow rate's is longer. */
const requestsMin = 400;
const windowMsMax = 4_000;
const socketsMax = 256;
/** After which no further rate is tried: on a machine that is busy elsewhere, windows are lost one after the other. */
const searchMsMax = 12_000;
/** What was under way when a window was lost ends meanwhile. */
const settleMs = 300;

export async function servingLoad(options: ServingLoadOptions): Promise<ServingLoad> {
  const { folder, bundle, model, batchRowsMax, batchDelayMs } = options;
  const coordinator = await startProcess('coordinator', 'bench', {
    bundles: bundle,
    'http-port': 0,
    'mqtt-port': 0,
    'data-dir': await mkdtemp(join(folder, 'coordinator-')),
    'batch-rows-max': batchRowsMax,
    'batch-delay-ms': batchDelayMs,
  });
  const images = (await readImages(options.images)).slice(0, 1_000).map(bodyOf);
  let best = nothing;
  const startedMs = performance.now();
  const hold = async (perSecond: number): Promise<boolean> => {
    for (let window = 0; window < windowsMax; window++) {
      if (performance.now() - startedMs > searchMsMax) return false;
      const held = await oneWindow(coordinator.httpUrl, model, images, perSecond, options);
      if (held === undefined) continue;
      best = held;
      return true;
    }
    return false;
  };
  const { firstPerSecond: first, mostPerSecond: most, triesMax } = options;
  await oneWindow(coordinator.httpUrl, model, images, first, { ...options, windowMs: warmMs });
  await findLargest({ first, most, precision, triesMax }, hold);
  await coordinator.stop();
  return best;
}

async function oneWindow(
  baseUrl: string,
  model: string,
  bodies: readonly RequestBody[],
  perSecond: number,
  { windowMs, p99MsMax }: Pick<ServingLoadOptions, 'windowMs' | 'p99MsMax'>,
): Promise<ServingLoad | undefined> {
  const client = createClient(baseUrl, model);
  const before = await client.counts();
  const latenciesMs = await openLoop(
    {
      perSecond,
      windowMs: Math.min(windowMsMax, Math.max(windowMs, (1_000 * requestsMin) / perSecond)),
      latencyMsMax: p99MsMax,
      lateShareMax,
    },
    (i) => client.infer(bodies[i % bodies.length] as RequestBody),
  );
  client.close();
  if (latenciesMs === undefined) {
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    return undefined;
  }
  const after = await client.counts();
  const averageBatch =
    (after.inferences - before.inferences) / (after.executions - before.executions);
  return { perSecond, ...latenciesOf(latenciesMs), averageBatch };
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
