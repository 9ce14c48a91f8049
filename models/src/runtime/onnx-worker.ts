// One worker thread over onnxruntime-node, as the main thread holds it. When it dies it fails what it was asked, and
// takes nothing more.

import { Worker } from 'node:worker_threads';
import { err, failure, ok, type Result } from '@skerry/shared';
import {
  type LoadedSession,
  toPost,
  type WorkerReply,
  type WorkerRequest,
} from './onnx-worker-protocol.ts';
import { askingSlot, createSlotMemory, idAfter } from './run-slot.ts';
import type { LoadOptions, Session } from './runtime.ts';

export interface OnnxWorker {
  load(model: Uint8Array, options: LoadOptions): Promise<Result<Session>>;
  alive(): boolean;
  close(): Promise<void>;
}

/** Omit over a union, member by member. */
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** How a run through the slot is answered: its results lie there. */
interface InSlot {
  readonly kind: 'in-slot';
}
type Settle = (reply: WorkerReply | InSlot) => void;

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/runtime/onnx-native-worker.js', import.meta.url);

export function startOnnxWorker(): OnnxWorker {
  const memory = createSlotMemory();
  const slot = askingSlot(memory);
  // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
  const worker = new Worker(workerUrl, { execArgv: [], workerData: memory });
  const waiting = new Map<number, Settle>();
  let lastId = 0;
  let slotId = 0;
  let gone: string | undefined;

  worker.on('message', (reply: WorkerReply | number) => {
    const id = typeof reply === 'number' ? reply : reply.id;
    const settle = waiting.get(id);
    waiting.delete(id);
    if (id === slotId && typeof reply !== 'number') slot.free();
    settle?.(typeof reply === 'number' ? { kind: 'in-slot' } : reply);
  });
  const end = (why: string): void => {
    gone ??= why;
    for (const [id, settle] of waiting) settle(refusal(id, gone));
    waiting.clear();
  };
  worker.on('error', (error) => end(`the runtime's worker died: ${error.message}`));
  worker.on('exit', () => end("the runtime's worker has ended"));

  const call = (request: WithoutId<WorkerRequest>, transfer: ArrayBuffer[] = []) =>
    new Promise<WorkerReply | InSlot>((resolve) => {
      const id = idAfter(lastId);
      lastId = id;
      if (gone !== undefined) return resolve(refusal(id, gone));
      waiting.set(id, resolve);
      worker.postMessage({ ...request, id }, transfer);
      slot.ring();
    });

  const sessionOf = ({ session, inputs, outputs }: LoadedSession): Session => {
    const inputNames = inputs.map(({ name }) => name);
    const outputNames = outputs.map(({ name }) => name);
    return {
      inputs,
      outputs,
      run: (feeds) =>
        new Promise((resolve) => {
          const settle: Settle = (reply) =>
            resolve(
              reply.kind === 'in-slot'
                ? ok(slot.take(outputNames))
                : reply.kind === 'ran'
                  ? ok(reply.results)
                  : refused(reply),
            );
          const id = idAfter(lastId);
          if (gone === undefined && slot.ask(id, session, inputNames, feeds)) {
            lastId = id;
            slotId = id;
            waiting.set(id, settle);
            return;
          }
          const { tensors, transfer } = toPost(feeds);
          void call({ kind: 'run', session, feeds: tensors }, transfer).then(settle);
        }),
      async close() {
        await call({ kind: 'unload', session });
      },
    };
  };

  return {
    alive: () => gone === undefined,
    async load(model, options) {
      const reply = await call({ kind: 'load', model, options });
      return reply.kind === 'loaded' ? ok(sessionOf(reply.loaded)) : refused(reply);
    },
    async close() {
      end('the runtime is closed');
      await worker.terminate();
    },
  };
}

const refusal = (id: number, why: string): WorkerReply => ({
  id,
  kind: 'failed',
  failure: failure('unavailable', why),
});

function refused(reply: WorkerReply | InSlot): Result<never> {
  return err(
    reply.kind === 'failed'
      ? reply.failure
      : failure('runtime_failed', `the worker answered ${reply.kind}`),
  );
}
