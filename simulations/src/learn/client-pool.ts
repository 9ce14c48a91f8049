// Worker threads in which virtual clients train. Any of them takes any client's work: what a client keeps from round to
// round goes with it. What is asked waits in one queue, so that none idles while another has two to do.

import { Worker } from 'node:worker_threads';
import { assert, defined, messageOf } from '@skerry/shared';
import type { ClientWork, EvaluateWork, Scored, WorkedReply } from './client-work.ts';
import { countOf, type ExampleSet } from './examples.ts';
import type { LearnedModel } from './learned-model.ts';

export interface PoolOptions {
  readonly workers: number;
  readonly model: LearnedModel;
  readonly data: ExampleSet;
}

export type WorkerSetup = Pick<PoolOptions, 'model' | 'data'>;
export type WorkRequest = ClientWork | EvaluateWork;
export type WorkReply =
  | { readonly ok: true; readonly value: WorkedReply | Scored }
  | { readonly ok: false; readonly message: string };

export interface ClientPool {
  train(work: Omit<ClientWork, 'kind'>): Promise<WorkedReply>;
  /** On the whole test set, cut into batches that do not depend on how many workers there are. */
  evaluate(
    parameters: Float32Array<SharedArrayBuffer>,
  ): Promise<{ accuracy: number; loss: number }>;
  close(): Promise<void>;
}

/** What is waiting for a worker; a round is far smaller. */
const queueMax = 10_000;
const evaluatedAtOnce = 1_000;

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/learn/client-worker.js', import.meta.url);

interface Waiting {
  readonly request: WorkRequest;
  readonly resolve: (value: WorkedReply | Scored) => void;
  readonly reject: (error: Error) => void;
}

export function createClientPool({ workers, model, data }: PoolOptions): ClientPool {
  const queue: Waiting[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Waiting>();
  const all: Worker[] = [];
  let closed: Error | undefined;

  const pump = (): void => {
    while (idle.length > 0 && queue.length > 0) {
      const worker = defined(idle.pop(), 'an idle worker');
      const waiting = defined(queue.shift(), 'a waiting request');
      busy.set(worker, waiting);
      worker.postMessage(waiting.request);
    }
  };
  const end = (error: Error): void => {
    closed ??= error;
    for (const { reject } of [...queue.splice(0), ...busy.values()]) reject(closed);
    busy.clear();
  };
  for (let i = 0; i < workers; i++) {
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    const worker = new Worker(workerUrl, {
      execArgv: [],
      workerData: { model, data } satisfies WorkerSetup,
    });
    worker.on('message', (reply: WorkReply) => {
      const waiting = defined(busy.get(worker), 'who waits for a reply');
      busy.delete(worker);
      idle.push(worker);
      if (reply.ok) waiting.resolve(reply.value);
      else waiting.reject(new Error(reply.message));
      pump();
    });
    worker.on('error', (thrown) => end(new Error(`a worker died: ${messageOf(thrown)}`)));
    all.push(worker);
    idle.push(worker);
  }
  const ask = <Reply extends WorkedReply | Scored>(request: WorkRequest): Promise<Reply> =>
    new Promise((resolve, reject) => {
      if (closed !== undefined) return reject(closed);
      assert(queue.length < queueMax, 'more work is waiting than a round has');
      queue.push({ request, resolve: (value) => resolve(value as Reply), reject });
      pump();
    });
  return {
    train: (work) => ask<WorkedReply>({ kind: 'train', ...work }),
    async evaluate(parameters) {
      const count = countOf(data.test);
      const parts = await Promise.all(
        Array.from({ length: Math.ceil(count / evaluatedAtOnce) }, (_, i) =>
          ask<Scored>({
            kind: 'evaluate',
            parameters,
            from: i * evaluatedAtOnce,
            until: Math.min(count, (i + 1) * evaluatedAtOnce),
          }),
        ),
      );
      const sum = (of: (part: Scored) => number): number =>
        parts.reduce((total, part) => total + of(part), 0);
      return { accuracy: sum(({ right }) => right) / count, loss: sum(({ loss }) => loss) / count };
    },
    async close() {
      end(new Error('the pool is closed'));
      await Promise.all(all.map((worker) => worker.terminate()));
    },
  };
}
