// The worker thread that runs Automerge: a change that never ends, or that outgrows the wasm memory, ends a thread and
// not the process.

import { parentPort } from 'node:worker_threads';
import { defined, failure, messageOf } from '@skerry/shared/plain';
import { createAutomergeDocuments, Refused } from './automerge-documents.ts';
import { readyId, type WorkerReply, type WorkerRequest } from './worker-protocol.ts';

const port = defined(parentPort, 'the worker’s port');
const documents = createAutomergeDocuments();

port.on('message', (request: WorkerRequest) => port.postMessage(answer(request)));
const ready: WorkerReply = { id: readyId, value: undefined };
port.postMessage(ready); // Loading takes a while, and counts to no call.

function answer({ id, method, args }: WorkerRequest): WorkerReply {
  try {
    const call = documents[method] as (...args: readonly unknown[]) => unknown;
    return { id, value: call(...args) };
  } catch (thrown) {
    const failed =
      thrown instanceof Refused
        ? thrown.failure
        : failure('runtime_failed', messageOf(thrown).slice(0, 300));
    return { id, failure: failed };
  }
}
