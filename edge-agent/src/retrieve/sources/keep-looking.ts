// One look after the other: at once, when something tells of a change, and after as long as the last one says.

import { type Clock, messageOf, type Timer } from '@skerry/shared';

export interface Looking {
  /** Something has changed, and more is likely to. */
  tell(): void;
  /** Ends with the look that is under way. */
  close(): Promise<void>;
}

/** After a change: more are likely to follow. */
const gatherMs = 200;

/** @param look says in how many ms to look again; one that meets a bug is told of, and begun again as `onBug` says */
export function keepLooking(
  clock: Clock,
  look: () => Promise<number>,
  onBug: (reason: string) => number,
): Looking {
  let timer: Timer | undefined;
  let turn: Promise<void> | undefined;
  let closed = false;
  /** Of a change, while it was looking. */
  let told = false;

  const after = (waitMs: number): void => {
    timer?.cancel();
    if (!closed) timer = clock.after(waitMs, begin);
  };
  const begin = (): void => {
    told = false;
    turn = look()
      .catch((thrown) => onBug(messageOf(thrown)))
      .then((waitMs) => {
        turn = undefined;
        after(told ? Math.min(gatherMs, waitMs) : waitMs);
      });
  };
  begin();
  return {
    tell() {
      told = true;
      if (turn === undefined) after(gatherMs);
    },
    async close() {
      closed = true;
      timer?.cancel();
      await turn;
    },
  };
}
