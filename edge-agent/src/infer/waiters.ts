// Requests whose callers wait, right now, for the cloud. In memory only: when the process dies, the callers'
// connections die with it, and the answers go to the stream instead. So do they when a caller goes away.

import type { Clock } from '@skerry/shared';
import type { Answer } from '@skerry/sync-protocol';

export interface Waiters {
  has(requestId: string): boolean;
  size(): number;
  /** Resolves with the answer, or with undefined after `waitMs`, when `signal` aborts, or on `releaseAll`. */
  wait(
    requestId: string,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<Answer['outcome'] | undefined>;
  resolve(requestId: string, outcome: Answer['outcome']): void;
  /** Nobody waits any longer, nor will: the process is closing. */
  releaseAll(): void;
}

export function createWaiters(clock: Clock): Waiters {
  const waiting = new Map<string, (outcome?: Answer['outcome']) => void>();
  let closing = false;
  return {
    has: (requestId) => waiting.has(requestId),
    size: () => waiting.size,
    wait: (requestId, waitMs, signal) =>
      new Promise((resolve) => {
        const settle = (outcome?: Answer['outcome']): void => {
          timer.cancel();
          signal?.removeEventListener('abort', giveUp);
          waiting.delete(requestId);
          resolve(outcome);
        };
        const giveUp = (): void => settle();
        const timer = clock.after(waitMs, giveUp);
        waiting.set(requestId, settle);
        signal?.addEventListener('abort', giveUp, { once: true });
        if (closing || signal?.aborted) giveUp();
      }),
    resolve: (requestId, outcome) => waiting.get(requestId)?.(outcome),
    releaseAll() {
      closing = true;
      for (const settle of [...waiting.values()]) settle();
    },
  };
}
