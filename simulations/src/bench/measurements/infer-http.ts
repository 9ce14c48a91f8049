// The agent's infer path as an app sees it: a process of its own, asked over its HTTP API; and beside it the
// smallest request that the same API answers, which is what HTTP alone costs.

import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import { startProcess } from '../../fleet/process.ts';
import { createHttpClient } from '../http-client.ts';
import type { Latencies } from '../statistics.ts';
import { readEdgeStage } from '../workload.ts';
import { type InferOptions, inferLatency } from './infer-latency.ts';

/** Nobody listens on the discard port. */
const noBroker = 'mqtt://127.0.0.1:9';

export async function inferHttp(
  options: InferOptions,
): Promise<{ infer: Latencies; live: Latencies }> {
  const { manifest } = await readEdgeStage(options.bundle);
  const agent = await startProcess('agent', 'bench', {
    device: 'bench',
    policy: 'edge-only',
    bundles: options.bundle,
    'http-port': 0,
    'data-dir': await mkdtemp(join(options.folder, 'agent-')),
    broker: noBroker,
  });
  const client = createHttpClient(agent.httpUrl);
  const infer = await inferLatency(options, async (pixels) => {
    const { degraded, latencyMs } = await client.infer(manifest.name, pixels);
    assert(!degraded, 'every image exits at the edge');
    return latencyMs;
  });
  const live = await inferLatency(options, async () => (await client.live()).latencyMs);
  client.close();
  await agent.stop();
  return { infer, live };
}
