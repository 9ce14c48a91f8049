// One bundle with other weights, made or measured, or a graph read for what can be trained of it, in a thread of its own: it
// takes up to a minute.

import { parentPort, workerData } from 'node:worker_threads';
import { ok, type Result } from '@skerry/shared';
import { createOnnxDirectRuntime } from '../../runtime/onnx-direct.ts';
import { importTrainable } from '../../training/imported/import-trainable.ts';
import { layoutOf } from '../../training/trainable.ts';
import { readHeldOut } from './held-out-images.ts';
import type { ImportedWeights, ReweightWork } from './reweight-apart.ts';
import { evaluateStages, reweightBundle } from './reweight-bundle.ts';

parentPort?.postMessage(await done(workerData as ReweightWork));

async function done(work: ReweightWork): Promise<Result<unknown>> {
  const runtime = createOnnxDirectRuntime();
  if (work.kind === 'import') {
    const imported = await importTrainable(work.model, work.options, runtime);
    if (!imported.ok) return imported;
    const { trainable, weights } = imported.value;
    return ok<ImportedWeights>({ layout: layoutOf(trainable), weights });
  }
  const { base, heldOut, seed } = work;
  const data = readHeldOut(heldOut, seed);
  if (!data.ok) return data;
  return work.kind === 'make'
    ? reweightBundle(base, data.value, work.how, runtime)
    : evaluateStages(base, data.value, work.how, runtime);
}
