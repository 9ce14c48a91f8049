// One request after the other, each timed: what the three infer measurements share.

import type { Image } from '../image.ts';
import { type Latencies, latenciesOf } from '../statistics.ts';
import { readImages } from '../workload.ts';

export interface InferOptions {
  readonly folder: string;
  readonly bundle: string;
  /** A file of images that exit at the edge. */
  readonly images: string;
  readonly requests: number;
}

/** Requests before the first that is timed: Node compiles what has run often, and a device runs for weeks. */
const warmUpRequests = 400;

/** @param run makes one request, and says how long it took */
export async function inferLatency(
  { images: file, requests }: InferOptions,
  run: (pixels: Image) => Promise<number>,
): Promise<Latencies> {
  const images = await readImages(file);
  const imageAt = (i: number) => images[i % images.length] as Image;
  for (let i = 0; i < Math.min(warmUpRequests, requests); i++) await run(imageAt(i));
  const samplesMs: number[] = [];
  for (let i = 0; i < requests; i++) samplesMs.push(await run(imageAt(i)));
  return latenciesOf(samplesMs);
}

export async function timeOf(action: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await action();
  return performance.now() - startedMs;
}
