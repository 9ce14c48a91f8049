// One bundle with other weights, made or measured, in a thread of its own: it takes a minute.

import { parentPort, workerData } from 'node:worker_threads';
import type { Result } from '@skerry/shared';
import { createOnnxDirectRuntime } from '../../runtime/onnx-direct.ts';
import { readHeldOut } from './held-out-images.ts';
import type { ReweightWork } from './reweight-apart.ts';
import { evaluateStages, reweightBundle } from './reweight-bundle.ts';

parentPort?.postMessage(await done(workerData as ReweightWork));

async function done(work: ReweightWork): Promise<Result<unknown>> {
  const { base, heldOut, seed } = work;
  const data = readHeldOut(heldOut, seed);
  if (!data.ok) return data;
  const runtime = createOnnxDirectRuntime();
  return work.kind === 'make'
    ? reweightBundle(base, data.value, work.how, runtime)
    : evaluateStages(base, data.value, work.weights, runtime);
}
