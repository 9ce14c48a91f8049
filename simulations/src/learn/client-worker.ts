// A worker thread: the virtual clients that are asked here train one after the other, on their own examples alone.

import { parentPort, workerData } from 'node:worker_threads';
import { defined, messageOf } from '@skerry/shared';
import type { WorkerSetup, WorkReply, WorkRequest } from './client-pool.ts';
import { createVirtualClients } from './virtual-client.ts';

const port = defined(parentPort ?? undefined, 'a thread that started this one');
const { model, data } = workerData as WorkerSetup;
const clients = await createVirtualClients(model, data);

async function answer(request: WorkRequest): Promise<WorkReply> {
  try {
    const value =
      request.kind === 'train' ? await clients.train(request) : await clients.evaluate(request);
    return { ok: true, value };
  } catch (thrown) {
    return { ok: false, message: messageOf(thrown) };
  }
}

port.on('message', async (request: WorkRequest) => {
  const reply = await answer(request);
  const update = reply.ok && reply.value.kind === 'trained' ? reply.value : undefined;
  port.postMessage(reply, update === undefined ? [] : [update.delta.buffer]);
});
