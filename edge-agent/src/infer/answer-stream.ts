// Late answers for the apps on this device. Nothing is queued a subscriber: each reads the store from where it is,
// so a slow one costs no memory, and one that comes back with its last event id misses nothing.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { LateAnswers, LateRecord } from './late-answers.ts';

export interface AnswerStream {
  /**
   * Late answers after `after` (undefined: from now on), oldest first, until `signal` aborts, which it must: that
   * alone gives the place back.
   */
  subscribe(
    after: number | undefined,
    signal: AbortSignal,
  ): Result<AsyncGenerator<LateRecord, void, undefined>>;
  /** Call when late answers have been recorded. */
  wake(): void;
}

const subscribersMax = 64;
const recordsPerRead = 100;

export function createAnswerStream(
  store: Pick<LateAnswers, 'lateAfter' | 'lastSettled'>,
): AnswerStream {
  const sleepers = new Set<() => void>();
  let subscribers = 0;

  const news = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        sleepers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      sleepers.add(done);
      signal.addEventListener('abort', done, { once: true });
    });

  async function* follow(start: number, signal: AbortSignal) {
    let after = start;
    while (!signal.aborted) {
      // Asked for before the read, so that what is recorded during it wakes us too.
      const woken = news(signal);
      const records = store.lateAfter(after, recordsPerRead);
      for (const record of records) {
        if (signal.aborted) return;
        yield record;
        after = record.settled ?? after;
      }
      if (records.length < recordsPerRead) await woken;
    }
  }

  return {
    subscribe(after, signal) {
      if (subscribers >= subscribersMax)
        return err(failure('overloaded', `${subscribers} subscribers already`));
      subscribers += 1;
      const leave = (): void => {
        subscribers -= 1;
      };
      signal.addEventListener('abort', leave, { once: true });
      return ok(follow(after ?? store.lastSettled(), signal));
    },
    wake() {
      for (const wake of [...sleepers]) wake();
    },
  };
}
