// A clock that stands still until it is told to go on: time is the next timer's. Timers of one moment run in the order
// in which they were set, so a run repeats exactly.

import type { Clock } from '../clock.ts';

export interface VirtualClock extends Clock {
  /** Moves to the next timer and runs it; `false`, having moved to `untilMs`, if none is due by then. */
  runNext(untilMs: number): boolean;
}

interface Entry {
  readonly atMs: number;
  readonly action: () => void;
}

export function createVirtualClock(startMs = 0): VirtualClock {
  let nowMs = startMs;
  const entries: Entry[] = [];

  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, action) {
      const entry: Entry = { atMs: nowMs + delayMs, action };
      const later = entries.findIndex((other) => other.atMs > entry.atMs);
      entries.splice(later === -1 ? entries.length : later, 0, entry);
      return {
        cancel() {
          const index = entries.indexOf(entry);
          if (index !== -1) entries.splice(index, 1);
        },
      };
    },
    runNext(untilMs) {
      const next = entries[0];
      if (next === undefined || next.atMs > untilMs) {
        nowMs = Math.max(nowMs, untilMs);
        return false;
      }
      entries.shift();
      nowMs = next.atMs;
      next.action();
      return true;
    },
  };
}
