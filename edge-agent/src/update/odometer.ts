// How long an update has been under way, on a device whose clock may not be set: durations count what the agent has run,
// which a monotonic clock tells, and what passed while it did not, as far as the wall clock can be believed. Kept from
// life to life; what a crash loses of it only makes a wait longer.

import type { Clock } from '@skerry/shared';
import type { Moment } from './update-record.ts';

export interface Reading extends Moment {
  /** The wall clock's, then. */
  readonly wallMs: number;
}

/** A clock that was set meanwhile may say anything: more than this is not believed. */
const awayMsMax = 31 * 86_400_000;

export interface Odometer {
  read(): Reading;
}

/** @param last what an earlier life has kept */
export function createOdometer(
  clock: Pick<Clock, 'nowMs' | 'monotonicMs'>,
  last: Reading | undefined,
): Odometer {
  const startedMs = clock.monotonicMs();
  const awayMs = last === undefined ? 0 : clock.nowMs() - last.wallMs;
  const believedMs = awayMs > 0 && awayMs <= awayMsMax ? awayMs : 0;
  const { ranMs, passedMs } = last ?? { ranMs: 0, passedMs: 0 };
  return {
    read() {
      const lifeMs = clock.monotonicMs() - startedMs;
      const wallMs = clock.nowMs();
      return { ranMs: ranMs + lifeMs, passedMs: passedMs + believedMs + lifeMs, wallMs };
    },
  };
}
