// Deltas off the thread that serves.

import { Worker } from 'node:worker_threads';
import { err, failure, messageOf, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import type { DeltaDigests } from './encode-delta.ts';

export type DeltaWork =
  | {
      readonly kind: 'make';
      readonly target: Uint8Array;
      readonly base: Uint8Array | undefined;
      readonly digests: DeltaDigests;
    }
  | { readonly kind: 'apply'; readonly delta: Uint8Array; readonly base: Uint8Array | undefined };

export interface DeltaMaker {
  /** As `encodeDelta`; one at a time. Fails as `applyDeltaApart` does where its thread fails, and starts another then. */
  make(
    target: Uint8Array,
    base: Uint8Array | undefined,
    digests: DeltaDigests,
    signal: AbortSignal,
  ): Promise<Result<Uint8Array>>;
  close(): void;
}

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../../dist/node/delta/delta-worker.js', import.meta.url);
/** The largest file takes a fraction of it on the slowest target. */
const timeoutMs = 300_000;

// No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
const startWorker = (): Worker => new Worker(workerUrl, { execArgv: [] });

/** Many deltas in one thread: the first takes some times as long as those after it, for it compiles what runs. */
export function openDeltaMaker(): DeltaMaker {
  let worker: Worker | undefined;
  const close = (): void => {
    void worker?.terminate();
    worker = undefined;
  };
  return {
    async make(target, base, digests, signal) {
      worker ??= startWorker();
      const made = await ask(worker, { kind: 'make', target, base, digests }, signal);
      if (!made.ok) close();
      return made;
    },
    close,
  };
}

/** As `applyDelta`. Fails with `internal` where the worker dies, `unavailable` where `signal` ends it, `deadline_exceeded`. */
export async function applyDeltaApart(
  delta: Uint8Array,
  base: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Result<Uint8Array>> {
  const worker = startWorker();
  const applied = await ask(worker, { kind: 'apply', delta, base }, signal);
  void worker.terminate();
  return applied;
}

/** A worker that has failed to answer is in no state to be asked again. */
function ask(worker: Worker, work: DeltaWork, signal: AbortSignal): Promise<Result<Uint8Array>> {
  return new Promise((resolve) => {
    const unwanted = err(failure('unavailable', 'nobody wants the delta any more'));
    if (signal.aborted) return resolve(unwanted);
    const end = (result: Result<Uint8Array>): void => {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      for (const [event, told] of Object.entries(listeners)) worker.off(event, told);
      resolve(result);
    };
    const abort = (): void => end(unwanted);
    const late = failure('deadline_exceeded', `a delta took ${timeoutMs} ms`);
    const timer = systemClock.after(timeoutMs, () => end(err(late)));
    signal.addEventListener('abort', abort);
    const listeners = {
      message: end,
      error: (thrown: unknown) => end(err(failure('internal', messageOf(thrown)))),
      exit: () => end(err(failure('internal', 'the delta’s worker has ended'))),
    };
    for (const [event, told] of Object.entries(listeners)) worker.on(event, told);
    worker.postMessage(work);
  });
}
