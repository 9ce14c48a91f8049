// What turns by itself and takes orders meanwhile, one after the other: an order and a turn of the same process never race.

import {
  type Clock,
  err,
  failure,
  type Log,
  messageOf,
  type Result,
  type Timer,
} from '@skerry/shared';

export interface Clockwork {
  /** After what was asked before. */
  inTurn<Value>(work: () => Promise<Value>): Promise<Value>;
  /** One turn, now. */
  turn(): Promise<Result<void>>;
  /** No turn begins any more; resolves when what was begun has ended. */
  close(): Promise<void>;
}

export interface ClockworkPorts {
  readonly clock: Pick<Clock, 'after'>;
  readonly log: Log;
}

/**
 * @param name of what cannot go on where a turn fails
 * @param turnEveryMs without it nothing turns by itself
 */
export function startClockwork(
  name: string,
  turn: () => Promise<Result<void>>,
  turnEveryMs: number | undefined,
  { clock, log }: ClockworkPorts,
): Clockwork {
  let tail: Promise<unknown> = Promise.resolve();
  const inTurn = <Value>(work: () => Promise<Value>): Promise<Value> => {
    const next = tail.then(work);
    tail = next.catch(() => {});
    return next;
  };
  let timer: Timer | undefined;
  const schedule = (afterMs: number): void => {
    timer = clock.after(afterMs, () => {
      // A bug in one turn must not end the process, nor the clockwork.
      void inTurn(() => alone(turn)).then((turned) => {
        if (!turned.ok)
          log.error({ code: turned.error.code }, `${name} cannot go on: ${turned.error.message}`);
        if (timer !== undefined) schedule(afterMs);
      });
    });
  };
  if (turnEveryMs !== undefined) schedule(turnEveryMs);
  return {
    inTurn,
    turn: () => inTurn(turn),
    async close() {
      timer?.cancel();
      timer = undefined;
      await tail;
    },
  };
}

/** What it throws is its own failure, and nobody else's. */
export const alone = (work: () => Promise<Result<void>>): Promise<Result<void>> =>
  work().catch((thrown: unknown) => err(failure('internal', messageOf(thrown))));
