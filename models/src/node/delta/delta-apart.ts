// Deltas off the thread that serves: each in a worker, which ends with it.

import { Worker } from 'node:worker_threads';
import { err, failure, messageOf, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';

export interface DeltaWork {
  readonly kind: 'make' | 'apply';
  /** The target, or the delta. */
  readonly bytes: Uint8Array;
  readonly base: Uint8Array | undefined;
}

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../../dist/node/delta/delta-worker.js', import.meta.url);
/** The largest file takes a fraction of it on the slowest target. */
const timeoutMs = 300_000;

/** As `encodeDelta`. */
export const makeDelta = (
  target: Uint8Array,
  base: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Result<Uint8Array>> => work({ kind: 'make', bytes: target, base }, signal);

/** As `applyDelta`. */
export const applyDeltaApart = (
  delta: Uint8Array,
  base: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Result<Uint8Array>> => work({ kind: 'apply', bytes: delta, base }, signal);

/** Fails with `internal` where the worker dies, `unavailable` where `signal` ends it, `deadline_exceeded`. */
function work(data: DeltaWork, signal: AbortSignal): Promise<Result<Uint8Array>> {
  return new Promise((resolve) => {
    const unwanted = err(failure('unavailable', 'nobody wants the delta any more'));
    if (signal.aborted) return resolve(unwanted);
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    const worker = new Worker(workerUrl, { execArgv: [], workerData: data });
    const end = (result: Result<Uint8Array>): void => {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      resolve(result);
      void worker.terminate();
    };
    const abort = (): void => end(unwanted);
    const late = failure('deadline_exceeded', `a delta took ${timeoutMs} ms`);
    const timer = systemClock.after(timeoutMs, () => end(err(late)));
    signal.addEventListener('abort', abort);
    worker.once('message', end);
    worker.once('error', (thrown) => end(err(failure('internal', messageOf(thrown)))));
    worker.once('exit', () => end(err(failure('internal', 'the delta’s worker has ended'))));
  });
}
