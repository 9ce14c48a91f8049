// Collections on a thread of their own. One that has died is started again by the next call: all that it held is in files.

import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { ok } from '@skerry/shared';
import type { Collections } from '../retrieve/collections.ts';
import type { CollectionCalls, CollectionHostOptions } from './collection-host.ts';
import { type CollectionCall, collectionsOver } from './collections-over.ts';
import type { CollectionsReply, CollectionsRequest } from './collections-worker.ts';
import { createThreadCalls } from './thread-calls.ts';

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/adapters/collections-worker.js', import.meta.url);

export function createWorkerCollections(options: CollectionHostOptions): Collections {
  /** What a thread that is started begins with. */
  let given = options;
  const calls = createThreadCalls<CollectionsRequest>({
    subject: 'collections',
    start(onReply, onExit) {
      // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
      const worker = new Worker(workerUrl, { execArgv: [], workerData: given });
      worker.on('message', ({ result }: CollectionsReply) => onReply(result));
      worker.on('error', () => {}); // It ends what is under way, through `exit`.
      worker.on('exit', onExit);
      worker.unref();
      return {
        post: (message) => worker.postMessage(message),
        hold: (isBusy) => (isBusy ? worker.ref() : worker.unref()),
        terminate: () => worker.terminate(),
      };
    },
  });
  const call: CollectionCall = async (method, ...args) =>
    (await calls.call({ method, args })) as ReturnType<CollectionCalls[typeof method]>;

  return {
    ...collectionsOver(call),
    // Asked at each start, of which a thread would be a tenth; many agents have no collection.
    list: async () => (existsSync(options.folder) ? call('names') : ok([])),
    embedBy(embedder) {
      given = { ...given, embedder };
      return call('embedBy', embedder);
    },
    close: () => calls.close({ method: 'closeAll', args: [] }),
  };
}
