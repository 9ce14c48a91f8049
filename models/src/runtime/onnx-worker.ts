// One worker thread over onnxruntime-node, as the main thread holds it. When it dies it fails what it was asked, and
// takes nothing more.

import { Worker } from 'node:worker_threads';
import { err, failure, ok, type Result } from '@skerry/shared';
import { createTurnMemory, giveTurn } from './device-turn.ts';
import type { Execution, ExecutionProvider } from './execution-provider.ts';
import {
  type LoadedSession,
  toPost,
  type WorkerReply,
  type WorkerRequest,
  type WorkerStart,
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

/** Of all pools: the accelerator's device is one of the process, too. */
const turn = createTurnMemory();

export interface OnnxWorkerOptions {
  readonly executionProviders: readonly ExecutionProvider[];
  readonly takesSlower: boolean;
  /** A session was left for the cpu while it ran. */
  onLeft?(execution: Execution): void;
}

export function startOnnxWorker({ onLeft, ...options }: OnnxWorkerOptions): OnnxWorker {
  const memory = createSlotMemory();
  const slot = askingSlot(memory);
  const workerData: WorkerStart = { slot: memory, ...options, turn };
  // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
  const worker = new Worker(workerUrl, { execArgv: [], workerData });
  const holder = worker.threadId;
  const waiting = new Map<number, Settle>();
  /** Of each session that is open. */
  const executions = new Map<number, Execution>();
  let lastId = 0;
  let slotId = 0;
  let gone: string | undefined;

  worker.on('message', (reply: WorkerReply | number) => {
    if (typeof reply !== 'number' && reply.kind === 'left') {
      executions.set(reply.id, reply.execution);
      onLeft?.(reply.execution);
      return;
    }
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
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      giveTurn(turn, holder);
      end("the runtime's worker has ended");
      resolve();
    });
  });

  const call = (request: WithoutId<WorkerRequest>, transfer: ArrayBuffer[] = []) =>
    new Promise<WorkerReply | InSlot>((resolve) => {
      const id = idAfter(lastId);
      lastId = id;
      if (gone !== undefined) return resolve(refusal(id, gone));
      waiting.set(id, resolve);
      worker.postMessage({ ...request, id }, transfer);
      slot.ring();
    });

  const sessionOf = ({ session, inputs, outputs, execution }: LoadedSession): Session => {
    const inputNames = inputs.map(({ name }) => name);
    const outputNames = outputs.map(({ name }) => name);
    return {
      inputs,
      outputs,
      execution: () => executions.get(session) ?? execution,
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
        executions.delete(session);
      },
    };
  };

  return {
    alive: () => gone === undefined,
    async load(model, options) {
      const reply = await call({ kind: 'load', model, options });
      return reply.kind === 'loaded' ? ok(sessionOf(reply.loaded)) : refused(reply);
    },
    /** Waits for a run that is under way: a thread that is terminated inside of one takes the process with it. */
    async close() {
      end('the runtime is closed');
      worker.postMessage({ id: 0, kind: 'end' } satisfies WorkerRequest);
      slot.ring();
      await exited;
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
