// Requests whose callers wait, right now, for the cloud. In memory only: when the process dies, the callers'
// connections die with it, and the answers go to the stream instead.

import type { Clock } from '@skerry/shared';
import type { Answer } from '@skerry/sync-protocol';

export interface Waiters {
  has(requestId: string): boolean;
  size(): number;
  /** Resolves with the answer, or with undefined after `waitMs`. */
  wait(requestId: string, waitMs: number): Promise<Answer['outcome'] | undefined>;
  resolve(requestId: string, outcome: Answer['outcome']): void;
}

export function createWaiters(clock: Clock): Waiters {
  const waiting = new Map<string, (outcome?: Answer['outcome']) => void>();
  return {
    has: (requestId) => waiting.has(requestId),
    size: () => waiting.size,
    wait: (requestId, waitMs) =>
      new Promise((resolve) => {
        const settle = (outcome?: Answer['outcome']): void => {
          timer.cancel();
          waiting.delete(requestId);
          resolve(outcome);
        };
        const timer = clock.after(waitMs, settle);
        waiting.set(requestId, settle);
      }),
    resolve: (requestId, outcome) => waiting.get(requestId)?.(outcome),
  };
}
