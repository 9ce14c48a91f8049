// How many requests may wait for the model. A queue without a bound answers everybody too late; this one tells the
// caller at once, also when the wait alone would outlast its deadline, and says when to come back.

import { err, failure, ok, type Result } from '@skerry/shared';

export interface Admission {
  /** A ticket to hold while the model is needed, or `overloaded` with `retryAfterMs`. */
  enter(deadlineLeftMs: number): Result<Ticket>;
  waiting(): number;
}

export interface Ticket {
  leave(): void;
}

/** Weight of the newest service time in the running mean. */
const smoothing = 0.1;

export function createAdmission(requestsMax: number, monotonicMs: () => number): Admission {
  let inside = 0;
  let meanServiceMs = 0;
  let lastLeftMs = 0;
  return {
    waiting: () => inside,
    enter(deadlineLeftMs) {
      const waitMs = meanServiceMs * inside;
      if (inside >= requestsMax || (inside > 0 && waitMs > deadlineLeftMs)) {
        const retryAfterMs = Math.max(1, Math.ceil(waitMs));
        return err(
          failure('overloaded', `${inside} requests wait for the model`, { retryAfterMs }),
        );
      }
      inside += 1;
      const enteredMs = monotonicMs();
      let left = false;
      return ok({
        leave() {
          if (left) return;
          left = true;
          inside -= 1;
          // One request is served at a time: its service began when it entered, or when the one before it left.
          const nowMs = monotonicMs();
          const servedMs = nowMs - Math.max(enteredMs, lastLeftMs);
          lastLeftMs = nowMs;
          meanServiceMs += (servedMs - meanServiceMs) * (meanServiceMs === 0 ? 1 : smoothing);
        },
      });
    },
  };
}
