// The baseline: onnxruntime-node by itself, one session on this thread, set up as the agent sets it up.

import * as ort from 'onnxruntime-node';
import { type Image, imageShape } from '../image.ts';
import type { Latencies } from '../statistics.ts';
import { readEdgeStage } from '../workload.ts';
import { type InferOptions, inferLatency, timeOf } from './infer-latency.ts';

export type RunRaw = (pixels: Image) => Promise<void>;

export async function openRaw(bundle: string): Promise<RunRaw> {
  const { stage } = await readEdgeStage(bundle);
  const session = await ort.InferenceSession.create(stage, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  return async (pixels) => {
    await session.run({ image: new ort.Tensor('uint8', pixels, imageShape) });
  };
}

export async function inferRaw(options: InferOptions): Promise<Latencies> {
  const run = await openRaw(options.bundle);
  return inferLatency(options, (pixels) => timeOf(() => run(pixels)));
}
