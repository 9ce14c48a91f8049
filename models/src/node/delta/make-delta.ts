// encodeDelta off the thread that serves: in a worker, which ends with it.

import { Worker } from 'node:worker_threads';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../../dist/node/delta/delta-worker.js', import.meta.url);

/** As `encodeDelta`. Fails with `internal` where the worker dies, `unavailable` where `signal` ends it. */
export function makeDelta(
  target: Uint8Array,
  base: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Result<Uint8Array>> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(err(failure('unavailable', 'nobody wants it any more')));
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    const worker = new Worker(workerUrl, { execArgv: [], workerData: { target, base } });
    const end = (result: Result<Uint8Array>): void => {
      signal.removeEventListener('abort', abort);
      resolve(result);
      void worker.terminate();
    };
    const abort = (): void => end(err(failure('unavailable', 'nobody wants it any more')));
    signal.addEventListener('abort', abort);
    worker.once('message', (delta: Uint8Array) => end(ok(delta)));
    worker.once('error', (thrown) => end(err(failure('internal', messageOf(thrown)))));
    worker.once('exit', () => end(err(failure('internal', 'the worker has ended'))));
  });
}
