// The worker thread of onnx-native. onnxruntime-node's `run` blocks the thread that calls it
// (onnxruntime#19611), so no session ever lives on the agent's own loop. Between two requests this thread sleeps on the
// slot's doorbell, not in its event loop: it wakes sooner.

import { performance } from 'node:perf_hooks';
import { parentPort, receiveMessageOnPort, threadId, workerData } from 'node:worker_threads';
import { defined, failure } from '@skerry/shared/plain';
import * as ort from 'onnxruntime-node';
import { inTurns } from './device-turn.ts';
import {
  toPost,
  type WorkerReply,
  type WorkerRequest,
  type WorkerStart,
} from './onnx-worker-protocol.ts';
import { openOnProviders } from './open-on-providers.ts';
import { answeringSlot } from './run-slot.ts';
import type { Session } from './runtime.ts';

const port = defined(parentPort, 'the worker’s port');
const start = workerData as WorkerStart;
const slot = answeringSlot(start.slot);
const library = inTurns(ort, start.turn, threadId);
const nowMs = start.takesSlower ? undefined : () => performance.now();
const sessions = new Map<number, Session>();
const namesOf = (specs: Session['inputs']): readonly string[] => specs.map(({ name }) => name);

let ended = false;
// One of each in turn, so that neither way can starve the other.
while (!ended) {
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
      const { model, options } = request;
      const loaded = await openOnProviders(library, model, start.executionProviders, options, {
        nowMs,
        onLeft: (execution) => post({ id, kind: 'left', execution }),
      });
      if (!loaded.ok) return post({ id, kind: 'failed', failure: loaded.error });
      const { inputs, outputs } = loaded.value;
      const execution = loaded.value.execution();
      sessions.set(id, loaded.value);
      return post({ id, kind: 'loaded', loaded: { session: id, inputs, outputs, execution } });
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
    case 'end': {
      for (const session of sessions.values()) await session.close();
      ended = true;
      port.close();
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
