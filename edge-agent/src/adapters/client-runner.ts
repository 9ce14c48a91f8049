// Runs a client's task in a thread of its own, which ends with it and gives its memory back.

import { Worker } from 'node:worker_threads';
import { err, failure, messageOf, type Result } from '@skerry/shared';
import type { ClientRunner } from '../learn/learn-ports.ts';
import type { ClientDone, ClientWork } from '../learn/run-client.ts';
import { localNetworks } from './local-trainer.ts';

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/adapters/client-worker.js', import.meta.url);

export const clientCommands = { go: 0, pause: 1, stop: 2 } as const;

export function createClientRunner(): ClientRunner {
  return {
    networks: localNetworks,
    start(work: ClientWork) {
      const control = new Int32Array(new SharedArrayBuffer(4));
      // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
      const worker = new Worker(workerUrl, { execArgv: [], workerData: { control } });
      let end = (_: Result<ClientDone>): void => {};
      const done = new Promise<Result<ClientDone>>((resolve) => {
        end = (result) => {
          resolve(result);
          void worker.terminate();
        };
      });
      worker.once('message', end);
      worker.once('error', (thrown) => end(err(failure('internal', messageOf(thrown)))));
      worker.once('exit', () => end(err(failure('internal', 'the client’s worker has ended'))));
      worker.postMessage(work);
      return {
        done,
        steer(command) {
          Atomics.store(control, 0, clientCommands[command]);
          Atomics.notify(control, 0);
        },
        end: () => end(err(failure('unavailable', 'nobody waits for it any longer'))),
      };
    },
  };
}
