// The thread that a client's task runs in. It yields to every other thread of the process, waits while it is told to, and
// ends with its task.

import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { defined, err, failure, messageOf } from '@skerry/shared';
import { type ClientWork, runClient } from '../learn/run-client.ts';
import { clientCommands } from './client-runner.ts';
import { createLocalTrainer } from './local-trainer.ts';

const port = defined(parentPort, 'the worker’s port');
const { control } = workerData as { readonly control: Int32Array };
const checkEveryMs = 10;

// On Linux the thread's own, not the process's: inference stays as quick as it was.
try {
  setPriority(constants.priority.PRIORITY_LOW);
} catch {
  // Where the system does not allow it, the pauses must do.
}

const stopping = new AbortController();
// A session's run is one turn of the loop, so this is heard between two of them.
const timer = setInterval(() => {
  while (Atomics.load(control, 0) === clientCommands.pause)
    Atomics.wait(control, 0, clientCommands.pause, 1_000);
  if (Atomics.load(control, 0) === clientCommands.stop) stopping.abort();
}, checkEveryMs);

port.once('message', (work: ClientWork) => {
  const trainer = createLocalTrainer();
  void runClient(work, { trainer, mods: {} }, stopping.signal)
    .catch((thrown) => err(failure('internal', messageOf(thrown))))
    .then((done) => {
      clearInterval(timer);
      port.postMessage(done);
    })
    .finally(() => trainer.close());
});
