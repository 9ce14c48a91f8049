// Work that takes longer than a turn may: begun once, looked after by each turn, forgotten when its result was taken.

import { type Clock, err, failure, messageOf, type Result } from '@skerry/shared';

export interface Jobs {
  /**
   * `undefined`: it is under way, or has failed a moment ago. A result is given once; whoever asks again begins anew, after a
   * failure no sooner than `pauseMs`.
   */
  resultOf<Value>(name: string, work: () => Promise<Result<Value>>): Result<Value> | undefined;
}

const pauseMs = 5_000;

export function createJobs(clock: Pick<Clock, 'monotonicMs'>): Jobs {
  const jobs = new Map<string, { result: Result<unknown> | undefined }>();
  const failedMs = new Map<string, number>();
  return {
    resultOf<Value>(name: string, work: () => Promise<Result<Value>>): Result<Value> | undefined {
      const known = jobs.get(name);
      if (known !== undefined) {
        if (known.result === undefined) return undefined;
        jobs.delete(name);
        if (known.result.ok) failedMs.delete(name);
        else failedMs.set(name, clock.monotonicMs());
        return known.result as Result<Value> | undefined;
      }
      const last = failedMs.get(name);
      if (last !== undefined && clock.monotonicMs() < last + pauseMs) return undefined;
      const job: { result: Result<unknown> | undefined } = { result: undefined };
      jobs.set(name, job);
      void work()
        .catch((thrown: unknown) => err(failure('internal', messageOf(thrown))))
        .then((result) => {
          job.result = result;
        });
      return undefined;
    },
  };
}
