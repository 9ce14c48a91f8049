// A bulkhead: as many calls at once as one dependency may hold up, and no more, so that a slow one cannot take the whole
// process. Whoever comes too many is told at once; nothing waits here.

import { failure } from '../failure.ts';
import { err, ok, type Result } from '../result.ts';

/** Hystrix's execution.isolation.semaphore.maxConcurrentRequests. */
const hystrixConcurrentMax = 10;

export interface Bulkhead {
  /** A place to hold during the call, or `overloaded`. Leaving twice is harmless. */
  enter(): Result<{ leave(): void }>;
  inside(): number;
}

export function createBulkhead(name: string, concurrentMax = hystrixConcurrentMax): Bulkhead {
  let inside = 0;
  return {
    inside: () => inside,
    enter() {
      if (inside >= concurrentMax)
        return err(failure('overloaded', `${name}: ${inside} calls are under way`));
      inside += 1;
      let left = false;
      return ok({
        leave() {
          if (!left) inside -= 1;
          left = true;
        },
      });
    },
  };
}
