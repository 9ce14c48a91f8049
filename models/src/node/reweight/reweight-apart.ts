// Bundles with other weights, made off the thread that serves, and graphs read for what can be trained of them: each in a
// worker, which ends with it.

import { Worker } from 'node:worker_threads';
import { err, failure, messageOf, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import type { ImportOptions } from '../../training/imported/import-trainable.ts';
import type { ParameterLayout } from '../../training/trainable.ts';
import type { Bundle } from '../read-bundle.ts';
import type { HeldOutFiles } from './held-out-images.ts';
import type { NewWeights, ReweightedBundle, Reweighting } from './reweight-bundle.ts';

interface Ground {
  /** With all stages of its first variant. */
  readonly base: Bundle;
  readonly heldOut: HeldOutFiles;
  /** Of how the held-out examples are drawn apart. */
  readonly seed: number;
}
export type ReweightWork =
  | (Ground & { readonly kind: 'make'; readonly how: Reweighting })
  | (Ground & { readonly kind: 'evaluate'; readonly how: NewWeights })
  | { readonly kind: 'import'; readonly model: Uint8Array; readonly options: ImportOptions };

/** What training changes of a graph, and as what it begins. */
export interface ImportedWeights {
  readonly layout: ParameterLayout;
  readonly weights: Float32Array<ArrayBuffer>;
}

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../../dist/node/reweight/reweight-worker.js', import.meta.url);

/** As `reweightBundle`; fails with `internal` where the worker dies, and with `deadline_exceeded`. */
export const reweightApart = (
  ground: Ground,
  how: Reweighting,
  timeoutMs: number,
): Promise<Result<ReweightedBundle>> => work({ kind: 'make', ...ground, how }, timeoutMs);

/** How often the base answers rightly with other weights, on the held-out examples that judge. */
export const evaluateApart = (
  ground: Ground,
  how: NewWeights,
  timeoutMs: number,
): Promise<Result<Record<string, number>>> => work({ kind: 'evaluate', ...ground, how }, timeoutMs);

/** As `importTrainable`. */
export const importApart = (
  model: Uint8Array,
  options: ImportOptions,
  timeoutMs: number,
): Promise<Result<ImportedWeights>> => work({ kind: 'import', model, options }, timeoutMs);

function work<Value>(data: ReweightWork, timeoutMs: number): Promise<Result<Value>> {
  return new Promise((resolve) => {
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    const worker = new Worker(workerUrl, { execArgv: [], workerData: data });
    const end = (result: Result<Value>): void => {
      timer.cancel();
      resolve(result);
      void worker.terminate();
    };
    const late = failure('deadline_exceeded', `the work on a bundle took ${timeoutMs} ms`);
    const timer = systemClock.after(timeoutMs, () => end(err(late)));
    worker.once('message', end);
    worker.once('error', (thrown) => end(err(failure('internal', messageOf(thrown)))));
    worker.once('exit', () => end(err(failure('internal', 'the worker of a bundle has ended'))));
  });
}
