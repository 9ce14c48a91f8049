// Work that takes longer than a turn may: begun once, looked after by each turn, forgotten when its result was taken.

import { err, failure, messageOf, type Result } from '@skerry/shared';

export interface Jobs {
  /** `undefined`: it is under way. A result is given once; whoever asks again begins anew. */
  resultOf<Value>(name: string, work: () => Promise<Result<Value>>): Result<Value> | undefined;
}

export function createJobs(): Jobs {
  const jobs = new Map<string, { result: Result<unknown> | undefined }>();
  return {
    resultOf<Value>(name: string, work: () => Promise<Result<Value>>): Result<Value> | undefined {
      const known = jobs.get(name);
      if (known !== undefined) {
        if (known.result !== undefined) jobs.delete(name);
        return known.result as Result<Value> | undefined;
      }
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
