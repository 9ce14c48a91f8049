// DocumentEngine over Automerge in a worker thread. One call runs at a time, each within `callMsMax`. A worker that takes
// longer, dies, or has met what broke Automerge is ended, and the next call starts a new one: wasm memory never shrinks,
// and a trap inside it poisons what is left. Documents then have to be opened again.

import { Worker } from 'node:worker_threads';
import { err, failure, ok, type Result } from '@skerry/shared';
import type { DocumentEngine } from '../documents/engine.ts';
import { type Method, readyId, type WorkerReply } from './worker-protocol.ts';

export interface WorkerEngineLimits {
  /** What one call may take; a change that is refused for it took this long and no longer. */
  readonly callMsMax: number;
  readonly waitingMax: number;
  /** The JavaScript heap of the worker. */
  readonly heapMbMax: number;
}

export const workerEngineLimits: WorkerEngineLimits = {
  callMsMax: 5_000,
  waitingMax: 4_096,
  heapMbMax: 256,
};

/** A new worker has to load Automerge before it can begin. */
const startMsMax = 30_000;

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/automerge/worker.js', import.meta.url);

interface Job {
  readonly method: Method;
  readonly args: readonly unknown[];
  readonly resolve: (result: Result<unknown>) => void;
}

export function createWorkerEngine(limits: Partial<WorkerEngineLimits> = {}): DocumentEngine {
  const { callMsMax, waitingMax, heapMbMax } = { ...workerEngineLimits, ...limits };
  const waiting: Job[] = [];
  let worker: Worker | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  let lastId = 0;

  const start = (): Worker => {
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    const started = new Worker(workerUrl, {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
    });
    started.on('error', () => {}); // It ends the call under way, through `exit`.
    started.unref();
    return started;
  };
  const end = async (): Promise<void> => {
    const ended = worker;
    worker = undefined;
    await ended?.terminate();
  };

  const run = ({ method, args }: Job): Promise<Result<unknown>> =>
    new Promise((resolve) => {
      const fresh = worker === undefined;
      worker ??= start();
      const current = worker;
      const id = ++lastId;
      const settle = (result: Result<unknown>): void => {
        clearTimeout(timer);
        current.off('message', onReply);
        current.off('exit', onExit);
        resolve(result);
      };
      const onReply = (reply: WorkerReply): void => {
        if (reply.id === readyId) {
          clearTimeout(timer);
          timer = setTimeout(late, callMsMax);
        } else if (reply.id === id)
          settle('failure' in reply ? err(reply.failure) : ok(reply.value));
      };
      const onExit = (): void =>
        settle(err(failure('runtime_failed', 'the documents worker has died')));
      const late = (): void => settle(err(failure('deadline_exceeded', 'it took too long')));
      let timer = setTimeout(late, fresh ? startMsMax : callMsMax);
      current.on('message', onReply);
      current.on('exit', onExit);
      current.postMessage({ id, method, args });
    });

  const drain = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const result = closed ? err(failure('unavailable', 'documents are closed')) : await run(job);
      // What the engine did not survive unharmed, or may have fed on, it does not survive at all.
      if (!result.ok && ['deadline_exceeded', 'runtime_failed'].includes(result.error.code))
        await end();
      job.resolve(result);
    }
    running = undefined;
  };

  const call = <T>(method: Method, ...args: readonly unknown[]): Promise<Result<T>> =>
    new Promise((resolve) => {
      if (waiting.length >= waitingMax)
        return resolve(err(failure('overloaded', `${waiting.length} calls wait for documents`)));
      waiting.push({ method, args, resolve: (result) => resolve(result as Result<T>) });
      running ??= drain();
    });

  return {
    open: (...args) => call('open', ...args),
    edit: (...args) => call('edit', ...args),
    integrate: (...args) => call('integrate', ...args),
    since: (...args) => call('since', ...args),
    known: (...args) => call('known', ...args),
    lastOfActors: (...args) => call('lastOfActors', ...args),
    leaves: (...args) => call('leaves', ...args),
    read: (...args) => call('read', ...args),
    save: (...args) => call('save', ...args),
    replace: (...args) => call('replace', ...args),
    dropPast: (...args) => call('dropPast', ...args),
    async close() {
      closed = true;
      await end();
      await running;
    },
  };
}
