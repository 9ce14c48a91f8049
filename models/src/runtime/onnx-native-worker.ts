// The worker thread of onnx-native. onnxruntime-node's `run` blocks the thread that calls it
// (onnxruntime#19611), so no session ever lives on the agent's own loop. Between two requests this thread sleeps on the
// slot's doorbell, not in its event loop: it wakes sooner.

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { defined, failure } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { toPost, type WorkerReply, type WorkerRequest } from './onnx-worker-protocol.ts';
import { createOrtSession } from './ort-session.ts';
import { answeringSlot, type SlotMemory } from './run-slot.ts';
import type { Session } from './runtime.ts';

const port = defined(parentPort, 'the worker’s port');
const slot = answeringSlot(workerData as SlotMemory);
const sessions = new Map<number, Session>();
const namesOf = (specs: Session['inputs']): readonly string[] => specs.map(({ name }) => name);

// One of each in turn, so that neither way can starve the other.
for (;;) {
  const rings = slot.rings();
  const asked = slot.asked();
  if (asked !== undefined) await answerSlot(asked.id, asked.session);
  const received = receiveMessageOnPort(port) as { message: WorkerRequest } | undefined;
  if (received !== undefined) await answer(received.message);
  if (asked === undefined && received === undefined) slot.wait(rings);
}

async function answerSlot(id: number, sessionId: number): Promise<void> {
  const session = sessions.get(sessionId);
  if (session === undefined) return refuseClosed(id);
  const ran = await session.run(slot.feeds(namesOf(session.inputs)));
  if (!ran.ok) return post({ id, kind: 'failed', failure: ran.error });
  if (slot.answer(namesOf(session.outputs), ran.value)) port.postMessage(id);
  else postResults(id, ran.value);
}

async function answer(request: WorkerRequest): Promise<void> {
  const { id } = request;
  switch (request.kind) {
    case 'load': {
      const loaded = await createOrtSession(ort, request.model, ['cpu'], request.options);
      if (!loaded.ok) return post({ id, kind: 'failed', failure: loaded.error });
      const { inputs, outputs } = loaded.value;
      sessions.set(id, loaded.value);
      return post({ id, kind: 'loaded', loaded: { session: id, inputs, outputs } });
    }
    case 'run': {
      const session = sessions.get(request.session);
      if (session === undefined) return refuseClosed(id);
      const ran = await session.run(request.feeds);
      return ran.ok ? postResults(id, ran.value) : post({ id, kind: 'failed', failure: ran.error });
    }
    case 'unload': {
      await sessions.get(request.session)?.close();
      sessions.delete(request.session);
      return post({ id, kind: 'unloaded' });
    }
  }
}

function refuseClosed(id: number): void {
  post({ id, kind: 'failed', failure: failure('unavailable', 'the session is closed') });
}

function postResults(id: number, results: Parameters<typeof toPost>[0]): void {
  const { tensors, transfer } = toPost(results);
  post({ id, kind: 'ran', results: tensors }, transfer);
}

function post(reply: WorkerReply, transfer: ArrayBuffer[] = []): void {
  port.postMessage(reply, transfer);
}
