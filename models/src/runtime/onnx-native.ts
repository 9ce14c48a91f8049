// Runtime over onnxruntime-node in one worker thread. A worker that dies fails its runs and takes no more.

import { Worker } from 'node:worker_threads';
import { err, failure, ok, type Result } from '@skerry/shared';
import {
  type LoadedSession,
  toPost,
  type WorkerReply,
  type WorkerRequest,
} from './onnx-native-protocol.ts';
import type { Runtime, Session } from './runtime.ts';

/** Omit over a union, member by member. */
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/runtime/onnx-native-worker.js', import.meta.url);

export function createOnnxNativeRuntime(): Runtime {
  // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
  const worker = new Worker(workerUrl, { execArgv: [] });
  const waiting = new Map<number, (reply: WorkerReply) => void>();
  let lastId = 0;
  let gone: string | undefined;

  worker.on('message', (reply: WorkerReply) => {
    const resolve = waiting.get(reply.id);
    waiting.delete(reply.id);
    resolve?.(reply);
  });
  const end = (why: string): void => {
    gone ??= why;
    for (const [id, resolve] of waiting)
      resolve({ id, kind: 'failed', failure: failure('unavailable', gone) });
    waiting.clear();
  };
  worker.on('error', (error) => end(`the runtime's worker died: ${error.message}`));
  worker.on('exit', () => end("the runtime's worker has ended"));

  const call = (request: WithoutId<WorkerRequest>, transfer: ArrayBuffer[] = []) =>
    new Promise<WorkerReply>((resolve) => {
      const id = ++lastId;
      if (gone !== undefined)
        return resolve({ id, kind: 'failed', failure: failure('unavailable', gone) });
      waiting.set(id, resolve);
      worker.postMessage({ ...request, id }, transfer);
    });

  const sessionOf = ({ session, inputs, outputs }: LoadedSession): Session => ({
    inputs,
    outputs,
    async run(feeds) {
      const { tensors, transfer } = toPost(feeds);
      const reply = await call({ kind: 'run', session, feeds: tensors }, transfer);
      return reply.kind === 'ran' ? ok(reply.results) : refused(reply);
    },
    async close() {
      await call({ kind: 'unload', session });
    },
  });

  return {
    name: 'onnx-native',
    async load(model, options = {}) {
      const reply = await call({ kind: 'load', model, options });
      return reply.kind === 'loaded' ? ok(sessionOf(reply.loaded)) : refused(reply);
    },
    async close() {
      end('the runtime is closed');
      await worker.terminate();
    },
  };
}

function refused(reply: WorkerReply): Result<never> {
  return err(
    reply.kind === 'failed'
      ? reply.failure
      : failure('runtime_failed', `the worker answered ${reply.kind}`),
  );
}
