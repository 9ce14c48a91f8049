// A bound on waiting for the device itself.

import { type Clock, err, failure, type Result } from '@skerry/shared';

export const deadlineExceeded: Result<never> = err(
  failure('deadline_exceeded', 'the model did not answer in time'),
);

/** What `work` finds, or `deadline_exceeded` where it takes longer; what it finds afterwards is dropped. */
export async function inTime<T>(
  clock: Clock,
  deadlineAtMs: number,
  work: () => Promise<Result<T>>,
): Promise<Result<T>> {
  const leftMs = deadlineAtMs - clock.monotonicMs();
  if (leftMs <= 0) return deadlineExceeded;
  return new Promise((resolve) => {
    const working = work();
    const timer = clock.after(leftMs, () => resolve(deadlineExceeded));
    void working.then((found) => {
      timer.cancel();
      resolve(found);
    });
  });
}
