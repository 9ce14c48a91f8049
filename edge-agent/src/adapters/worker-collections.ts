// Collections on a thread of their own. One that has died is started again by the next call: all that it held is in files.

import { Worker } from 'node:worker_threads';
import { err, failure, type Result } from '@skerry/shared';
import type { Collections } from '../retrieve/collections.ts';
import type { CollectionCalls, CollectionHostOptions } from './collection-host.ts';
import { type CollectionCall, collectionsOver } from './collections-over.ts';
import type { CollectionsReply, CollectionsRequest } from './collections-worker.ts';

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/adapters/collections-worker.js', import.meta.url);

/** Calls that wait for the thread. */
const waitingMax = 1_024;
/** Of one call; a search takes milliseconds, a book taken in some seconds. */
const callMsMax = 120_000;

export function createWorkerCollections(options: CollectionHostOptions): Collections {
  const waiting = new Map<number, (result: Result<unknown>) => void>();
  let worker: Worker | undefined;
  let closed = false;
  let lastId = 0;
  /** What a thread that is started begins with. */
  let given = options;

  const start = (): Worker => {
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    const started = new Worker(workerUrl, { execArgv: [], workerData: given });
    started.on('message', ({ id, result }: CollectionsReply) => settle(id, result));
    started.on('error', () => {}); // It ends what is under way, through `exit`.
    started.on('exit', () => {
      if (worker === started) worker = undefined;
      for (const id of [...waiting.keys()])
        settle(id, err(failure('unavailable', 'the collections’ thread has ended')));
    });
    started.unref();
    return started;
  };

  const settle = (id: number, result: Result<unknown>): void => {
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(result);
    if (waiting.size === 0) worker?.unref();
  };

  const call: CollectionCall = (method, ...args) =>
    new Promise((resolve) => {
      const done = (result: Result<unknown>): void => {
        clearTimeout(timer);
        resolve(result as ReturnType<CollectionCalls[typeof method]>);
      };
      const refuse = (code: 'unavailable' | 'overloaded', why: string): void =>
        done(err(failure(code, why)));
      let timer: NodeJS.Timeout | undefined;
      if (closed) return refuse('unavailable', 'the collections are closed');
      if (waiting.size >= waitingMax)
        return refuse('overloaded', `${waiting.size} calls wait for the collections`);
      worker ??= start();
      worker.ref();
      const id = ++lastId;
      waiting.set(id, done);
      timer = setTimeout(() => void worker?.terminate(), callMsMax);
      timer.unref();
      worker.postMessage({ id, method, args } satisfies CollectionsRequest);
    });

  return {
    ...collectionsOver(call),
    embedBy(embedder) {
      given = { ...given, embedder };
      return call('embedBy', embedder);
    },
    async close() {
      if (worker !== undefined) await call('closeAll');
      closed = true;
      await worker?.terminate();
    },
  };
}
