// How many requests may wait for the model. A queue without a bound answers everybody too late; this one tells the
// caller at once, also when the wait alone would outlast its deadline, and says when to come back.

import { err, failure, ok, type Result } from '@skerry/shared';

export interface Admission {
  /** A ticket to hold while the model is needed, or `overloaded` with `retryAfterMs`. */
  enter(deadlineLeftMs: number): Result<Ticket>;
  waiting(): number;
}

export interface Ticket {
  /** `served`: the model ran. Nothing is learned from one that was only read, or refused. */
  leave(served: boolean): void;
}

/** Service times remembered. The shortest of them counts: one that the machine's other work drew out says nothing. */
const serviceTimesMax = 8;

export function createAdmission(requestsMax: number, monotonicMs: () => number): Admission {
  let inside = 0;
  const serviceTimesMs: number[] = [];
  let lastLeftMs = 0;
  return {
    waiting: () => inside,
    enter(deadlineLeftMs) {
      const waitMs = inside * (serviceTimesMs.length > 0 ? Math.min(...serviceTimesMs) : 0);
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
        leave(served) {
          if (left) return;
          left = true;
          inside -= 1;
          // One request is served at a time: its service began when it entered, or when the one before it left.
          const nowMs = monotonicMs();
          if (!served) return;
          if (serviceTimesMs.push(nowMs - Math.max(enteredMs, lastLeftMs)) > serviceTimesMax)
            serviceTimesMs.shift();
          lastLeftMs = nowMs;
        },
      });
    },
  };
}
