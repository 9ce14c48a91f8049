// The agent's infer path without HTTP: admission, the worker, the decision, the books.

import { assert } from '@skerry/shared';
import { imageTensor } from '../image.ts';
import { expectOk, openInProcessAgent } from '../in-process-agent.ts';
import type { Latencies } from '../statistics.ts';
import { readEdgeStage } from '../workload.ts';
import { type InferOptions, inferLatency, timeOf } from './infer-latency.ts';

export async function inferInProcess(options: InferOptions): Promise<Latencies> {
  const { manifest } = await readEdgeStage(options.bundle);
  const { agent, close } = await openInProcessAgent(options.folder, options.bundle, 'edge-only');
  const latencies = await inferLatency(options, (data) =>
    timeOf(async () => {
      const request = { model: manifest.name, input: imageTensor(data) };
      const answer = expectOk(await agent.inference.infer(request));
      assert(!answer.degraded, 'every image exits at the edge');
    }),
  );
  await close();
  return latencies;
}
