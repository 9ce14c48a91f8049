// Hedging (Dean and Barroso, "The Tail at Scale", 2013): a call that outlasts nearly all others is sent a second time,
// and the first good result counts. Send only what may run twice.

import type { Clock, Timer } from '../clock.ts';
import type { Result } from '../result.ts';

/** The share of calls that end before a second one is sent. */
export const hedgeAfterShare = 0.95;

export interface HedgeTerms {
  /** After which the second attempt goes; the quantile of a LatencyWindow. */
  readonly delayMs: number;
  /** Asked when the time has come: retry tokens, a second upstream. */
  readonly admits: () => boolean;
}

/**
 * The first attempt that succeeds, or the last to fail. An attempt that fails before the delay is over is not replaced:
 * that would be a retry. The attempt that is needed no more is aborted.
 */
export function hedged<T>(
  clock: Clock,
  { delayMs, admits }: HedgeTerms,
  attempt: (place: 0 | 1, signal: AbortSignal) => Promise<Result<T>>,
  parent?: AbortSignal,
): Promise<Result<T>> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  if (parent?.aborted) abort();
  parent?.addEventListener('abort', abort, { once: true });
  return new Promise((resolve, reject) => {
    let running = 0;
    let timer: Timer | undefined;
    const settle = (act: () => void): void => {
      timer?.cancel();
      parent?.removeEventListener('abort', abort);
      act();
      abort();
    };
    const start = (place: 0 | 1): void => {
      running += 1;
      attempt(place, controller.signal).then(
        (result) => {
          running -= 1;
          if (result.ok || running === 0) settle(() => resolve(result));
        },
        (thrown) => settle(() => reject(thrown)),
      );
    };
    start(0);
    timer = clock.after(delayMs, () => {
      if (!controller.signal.aborted && admits()) start(1);
    });
  });
}
