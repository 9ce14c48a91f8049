// A question's place and time. As many are under way as there are places; what is begun for one holds its place until it
// has ended, also where nobody waits for it any more, so that slow collections are not asked ever more at once.

import type { TextTerms } from '@skerry/models/openai';
import { type Clock, err, type Result } from '@skerry/shared';
import { createBulkhead, withDeadline } from '@skerry/shared/resilience';

/** Does one step in the time that is left of the question's. */
export type Within = <T>(
  step: (leftMs: number, signal: AbortSignal) => Promise<Result<T>>,
) => Promise<Result<T>>;

export type Admission = <T>(
  terms: TextTerms,
  answer: (within: Within) => Promise<Result<T>>,
) => Promise<Result<T>>;

const busyRetryAfterMs = 1_000;

/** Refuses with `overloaded`; a step that is not done in time fails with `deadline_exceeded`. */
export function createAdmission(requestsMax: number, clock: Clock): Admission {
  const places = createBulkhead('the library', requestsMax);
  return async ({ leftMs, signal: gone }, answer) => {
    const place = places.enter();
    if (!place.ok) return err({ ...place.error, retryAfterMs: busyRetryAfterMs });
    const untilMs = clock.monotonicMs() + leftMs;
    let under = 1;
    const ended = (): void => {
      under -= 1;
      if (under === 0) place.value.leave();
    };
    const within: Within = (step) => {
      const nowLeftMs = untilMs - clock.monotonicMs();
      const begin = (signal: AbortSignal) => {
        under += 1;
        return step(nowLeftMs, signal).finally(ended);
      };
      return withDeadline(clock, nowLeftMs, begin, gone);
    };
    try {
      return await answer(within);
    } finally {
      ended();
    }
  };
}
