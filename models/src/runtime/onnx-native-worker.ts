// The worker thread of onnx-native. onnxruntime-node's `run` blocks the thread that calls it
// (onnxruntime#19611), so no session ever lives on the agent's own loop.

import { parentPort } from 'node:worker_threads';
import { defined, err, failure } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { toPost, type WorkerReply, type WorkerRequest } from './onnx-native-protocol.ts';
import { createOrtSession } from './ort-session.ts';
import type { Session } from './runtime.ts';

const port = defined(parentPort, 'the worker’s port');
const sessions = new Map<number, Session>();

port.on('message', async (request: WorkerRequest) => {
  const { reply, transfer } = await answer(request);
  port.postMessage(reply, transfer);
});

async function answer(
  request: WorkerRequest,
): Promise<{ reply: WorkerReply; transfer: ArrayBuffer[] }> {
  const { id } = request;
  switch (request.kind) {
    case 'load': {
      const loaded = await createOrtSession(ort, request.model, ['cpu'], request.options);
      if (!loaded.ok) return { reply: { id, kind: 'failed', failure: loaded.error }, transfer: [] };
      const { inputs, outputs } = loaded.value;
      sessions.set(id, loaded.value);
      return {
        reply: { id, kind: 'loaded', loaded: { session: id, inputs, outputs } },
        transfer: [],
      };
    }
    case 'run': {
      const session = sessions.get(request.session);
      const ran = session
        ? await session.run(request.feeds)
        : err(failure('unavailable', 'the session is closed'));
      if (!ran.ok) return { reply: { id, kind: 'failed', failure: ran.error }, transfer: [] };
      const { tensors, transfer } = toPost(ran.value);
      return { reply: { id, kind: 'ran', results: tensors }, transfer };
    }
    case 'unload': {
      await sessions.get(request.session)?.close();
      sessions.delete(request.session);
      return { reply: { id, kind: 'unloaded' }, transfer: [] };
    }
  }
}
