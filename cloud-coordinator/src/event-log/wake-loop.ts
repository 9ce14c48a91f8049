// What turns when it is woken, and now and then by itself: whoever wakes it during a turn makes one more, and not one each.

import { type Clock, type Log, messageOf, type Timer } from '@skerry/shared';

export interface WakeLoop {
  /** A turn, or another one after that which goes on. */
  wake(): void;
  /** Aborted by `close`, before what goes on has ended. */
  readonly closing: AbortSignal;
  /** No turn begins any more; resolves when the one that goes on has ended. */
  close(): Promise<void>;
}

/**
 * Sleeps until it is woken first.
 *
 * @param name of what stumbles over a bug where a turn throws
 * @param untilNextMs asked after each turn
 */
export function createWakeLoop(
  name: string,
  turn: () => Promise<void>,
  untilNextMs: () => number,
  { clock, log }: { readonly clock: Pick<Clock, 'after'>; readonly log: Log },
): WakeLoop {
  const closing = new AbortController();
  let working: Promise<void> | undefined;
  let again = false;
  let timer: Timer | undefined;
  const wake = (): void => {
    again = true;
    if (working !== undefined || closing.signal.aborted) return;
    timer?.cancel();
    working = (async () => {
      while (again && !closing.signal.aborted) {
        again = false;
        await turn();
      }
    })()
      .catch((thrown: unknown) => log.error({ reason: messageOf(thrown) }, `${name}: a bug`))
      .finally(() => {
        working = undefined;
        if (!closing.signal.aborted) timer = clock.after(untilNextMs(), wake);
      });
  };
  return {
    wake,
    closing: closing.signal,
    async close() {
      closing.abort();
      timer?.cancel();
      await working;
    },
  };
}
