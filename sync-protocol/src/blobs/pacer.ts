// A cap on bytes a second, shared by whoever moves them: each waits for its turn in one schedule, so the cap holds over
// all, and a pause earns at most `burstMs` of credit.

import { type Clock, sleep } from '@skerry/shared';

export interface Pacer {
  /** Resolves when so many bytes may move, or when `signal` aborts. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

const burstMs = 250;

/** `bytesPerSecondMax` 0: no cap. */
export function createPacer(bytesPerSecondMax: number, clock: Clock): Pacer {
  let freeAtMs = Number.NEGATIVE_INFINITY;
  return {
    async take(bytes, signal) {
      if (bytesPerSecondMax === 0) return;
      const nowMs = clock.monotonicMs();
      freeAtMs = Math.max(freeAtMs, nowMs - burstMs) + (bytes / bytesPerSecondMax) * 1_000;
      if (freeAtMs > nowMs) await sleep(clock, freeAtMs - nowMs, signal);
    },
  };
}
