// Documents read in threads of their own: what others have made is parsed where it can hang, or eat memory, without the
// device doing so. A thread that takes too long or too much is ended and its document refused. One document, one thread:
// nothing that a document did to its reader is there for the next one.

import { Worker } from 'node:worker_threads';
import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import type { Read, ReadInThread } from '../retrieve/read/reading.ts';
import type { ReadingReply, ReadingWork } from './reading-worker.ts';

export interface ReadingLimits {
  readonly msMax: number;
  /** The JavaScript heap of a thread. */
  readonly heapMbMax: number;
  /** By how much the process may grow while one reads: what is unpacked lies in no heap. */
  readonly growthMbMax: number;
  readonly threadsMax: number;
  readonly waitingMax: number;
}

export const readingLimits: ReadingLimits = {
  msMax: 60_000,
  heapMbMax: 384,
  growthMbMax: 768,
  threadsMax: 2,
  waitingMax: 32,
};

/** How often a thread's memory is looked at: some 10 MB of what unpacks quickly. */
const lookEveryMs = 25;

// A worker thread loads what Node itself can load: the built file, also when this one runs as source under a test.
const workerUrl = new URL('../../dist/adapters/reading-worker.js', import.meta.url);

export function createReadingThreads(limits: Partial<ReadingLimits> = {}): ReadInThread {
  const all = { ...readingLimits, ...limits };
  const waiting: (() => void)[] = [];
  let running = 0;

  return async (kind, bytes) => {
    if (running >= all.threadsMax) {
      if (waiting.length >= all.waitingMax)
        return err(failure('overloaded', `${waiting.length} documents wait to be read`));
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running++;
    try {
      return await readOne({ kind, bytes }, all);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next(); // It takes this one's place.
    }
  };
}

async function readOne(work: ReadingWork, limits: ReadingLimits): Promise<Result<Read>> {
  const { msMax, heapMbMax, growthMbMax } = limits;
  // No flags of whoever started us: a test's export conditions would lead the built worker back to sources.
  const worker = new Worker(workerUrl, {
    execArgv: [],
    workerData: work,
    resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
  });
  const before = process.memoryUsage.rss();
  const grown = () => (process.memoryUsage.rss() - before) / 2 ** 20;
  let late: NodeJS.Timeout | undefined;
  let look: NodeJS.Timeout | undefined;
  const ended = await new Promise<ReadingReply>((resolve) => {
    const refuse = (refused: Failure): void => resolve(err(refused));
    late = setTimeout(
      () => refuse(failure('too_large', `it takes longer than ${msMax / 1_000} s to read`)),
      msMax,
    );
    look = setInterval(() => {
      if (grown() > growthMbMax)
        refuse(failure('too_large', `it takes more than ${growthMbMax} MB to read`));
    }, lookEveryMs);
    worker.on('message', resolve);
    worker.on('error', (thrown: NodeJS.ErrnoException) =>
      refuse(
        thrown.code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? failure('too_large', `it takes more than ${heapMbMax} MB to read`)
          : failure('invalid_argument', `it cannot be read: ${thrown.message.slice(0, 300)}`),
      ),
    );
    worker.on('exit', () =>
      refuse(failure('invalid_argument', 'it ended the thread that read it')),
    );
  });
  clearTimeout(late);
  clearInterval(look);
  await worker.terminate();
  return ended.ok ? ok(ended.value) : ended;
}
