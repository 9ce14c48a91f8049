// A round's numbers off the thread that answers: a worker for each work, which ends with it and gives its memory back. Its
// parts come one after the other, each moved and not copied.

import { Worker } from 'node:worker_threads';
import { err, failure, messageOf, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import type {
  AggregateDone,
  AggregateWork,
  ReadPart,
  RoundNumbers,
  UnmaskDone,
  UnmaskWork,
} from '../learn/runs/index.ts';

export interface WorkerNumbersLimits {
  /** Works that wait for the one that is done: a coordinator has one at a time, unless something is wrong. */
  readonly waitingMax?: number;
  /** The longest takes a fraction of it. */
  readonly workMsMax?: number;
}

/** From the worker: it needs a part, or it is done. */
export type NumbersWord =
  | { readonly need: number }
  | { readonly done: Result<AggregateDone | UnmaskDone> };

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/adapters/numbers-worker.js', import.meta.url);

/** Fails with `internal` where the worker dies, `deadline_exceeded` after `workMsMax`, `overloaded` where too many wait. */
export function createWorkerNumbers({
  waitingMax = 8,
  workMsMax = 300_000,
}: WorkerNumbersLimits = {}): RoundNumbers {
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const inTurn = async <Done extends AggregateDone | UnmaskDone>(
    work: AggregateWork | UnmaskWork,
    read: ReadPart,
  ): Promise<Result<Done>> => {
    if (waiting >= waitingMax)
      return err(failure('overloaded', `${waiting} rounds wait for their numbers`));
    waiting += 1;
    const done = tail.then(() => apart(work, read, workMsMax));
    tail = done;
    const result = await done;
    waiting -= 1;
    return result as Result<Done>;
  };
  return {
    aggregate: (work, read) => inTurn<AggregateDone>(work, read),
    unmask: (work, read) => inTurn<UnmaskDone>(work, read),
  };
}

/** Never rejects: the works behind it wait for it. */
async function apart(
  work: AggregateWork | UnmaskWork,
  read: ReadPart,
  workMsMax: number,
): Promise<Result<AggregateDone | UnmaskDone>> {
  try {
    // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
    const worker = new Worker(workerUrl, {
      execArgv: [],
      workerData: work,
      transferList: moved(work.state),
    });
    return await attend(worker, read, workMsMax);
  } catch (thrown) {
    // Nothing has begun: what cannot be handed over, or a thread that the system refuses.
    return err(failure('internal', messageOf(thrown)));
  }
}

function attend(
  worker: Worker,
  read: ReadPart,
  workMsMax: number,
): Promise<Result<AggregateDone | UnmaskDone>> {
  return new Promise((resolve) => {
    const end = (result: Result<AggregateDone | UnmaskDone>): void => {
      timer.cancel();
      resolve(result);
      void worker.terminate();
    };
    const broken = (message: string): void => end(err(failure('internal', message)));
    const late = failure('deadline_exceeded', `a round’s numbers took ${workMsMax} ms`);
    const timer = systemClock.after(workMsMax, () => end(err(late)));
    worker.on('message', (word: NumbersWord) => {
      if ('done' in word) return end(word.done);
      void read(word.need)
        .then((part) => {
          if (!part.ok) return end(part);
          worker.postMessage(part.value, moved(part.value));
        })
        // Also for a part that cannot be handed over.
        .catch((thrown: unknown) => broken(messageOf(thrown)));
    });
    worker.once('error', (thrown) => broken(messageOf(thrown)));
    worker.once('exit', () => broken('the thread of a round’s numbers has ended'));
  });
}

/** What is a view of more than itself is copied. */
const moved = ({ buffer, byteLength }: Uint8Array): ArrayBuffer[] =>
  buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0
    ? [buffer]
    : [];
