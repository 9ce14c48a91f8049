// Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

import type { Random } from './random.ts';

export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** The wait before try `attempt` (0 is the first retry): uniform in [0, min(max, initial · 2^attempt)). */
export function backoffMs(backoff: Backoff, attempt: number, random: Random): number {
  const ceiling = Math.min(backoff.maxMs, backoff.initialMs * 2 ** Math.min(attempt, 30));
  return Math.floor(random.next() * ceiling);
}
