// Work that must end by a deadline. A deadline is carried as the time that is left, never as a time of day, so that
// clocks which differ do not matter (gRPC, "Deadlines"); every hop takes off what it has used.

import type { Clock } from '../clock.ts';
import { failure } from '../failure.ts';
import { err, type Result } from '../result.ts';

/**
 * What `work` finds, or `deadline_exceeded` after `leftMs`: then its signal aborts, and what it still finds is dropped.
 * A parent that aborts is passed on to the work, whose own Failure then says so.
 */
export function withDeadline<T>(
  clock: Clock,
  leftMs: number,
  work: (signal: AbortSignal) => Promise<Result<T>>,
  parent?: AbortSignal,
): Promise<Result<T>> {
  const exceeded = err(failure('deadline_exceeded', 'no result in time'));
  if (leftMs <= 0) return Promise.resolve(exceeded);
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (parent?.aborted) abort();
  parent?.addEventListener('abort', abort, { once: true });
  return new Promise((resolve, reject) => {
    const end = (): void => {
      timer.cancel();
      parent?.removeEventListener('abort', abort);
    };
    const timer = clock.after(leftMs, () => {
      end();
      abort();
      resolve(exceeded);
    });
    work(controller.signal).then(
      (found) => {
        end();
        resolve(found);
      },
      (thrown) => {
        end();
        reject(thrown);
      },
    );
  });
}
