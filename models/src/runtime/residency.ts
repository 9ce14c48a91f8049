// Who may lie in memory. Models share a bound: where one does not fit beside the others, those that were used longest
// ago, and that nobody runs right now, are unloaded; their next run brings them back.

import { err, failure, ok, type Result } from '@skerry/shared';

export interface Residency {
  /**
   * Makes room for `bytes`; `unload` will be called, once, when they must go. Fails with `too_large` where they would
   * not fit if they were alone, and with `overloaded` where all that could go is running.
   */
  enter(bytes: number, unload: () => Promise<void>): Promise<Result<Resident>>;
  bytes(): number;
}

/** In use, and so not to be unloaded, from its entering to the end of its first use. */
export interface Resident {
  /** Ends with the call of the function that it returns. */
  use(): () => void;
  leave(): void;
}

interface Seat {
  readonly bytes: number;
  readonly unload: () => Promise<void>;
  users: number;
}

export function createResidency(memoryBytesMax: number): Residency {
  /** The one used longest ago comes first: a Set keeps the order of insertion. */
  const seats = new Set<Seat>();
  const taken = (): number => [...seats].reduce((sum, { bytes }) => sum + bytes, 0);

  return {
    bytes: taken,
    async enter(bytes, unload) {
      if (bytes > memoryBytesMax)
        return err(
          failure('too_large', `takes ${mib(bytes)}, models may take ${mib(memoryBytesMax)}`),
        );
      const leaving = planUnloading([...seats], taken() + bytes - memoryBytesMax);
      if (leaving === undefined)
        return err(failure('overloaded', 'the models that run fill the memory for models'));
      const seat: Seat = { bytes, unload, users: 1 };
      // Before anything is awaited, so that whoever enters meanwhile counts this one too.
      for (const other of leaving) seats.delete(other);
      seats.add(seat);
      await Promise.all(leaving.map((other) => other.unload()));
      return ok(residentAt(seat, seats));
    },
  };
}

/** Which of them, oldest use first, to unload for `bytes` to become free; undefined where that cannot be. */
function planUnloading(seats: readonly Seat[], bytes: number): readonly Seat[] | undefined {
  const leaving: Seat[] = [];
  let missing = bytes;
  for (const seat of seats) {
    if (missing <= 0) break;
    if (seat.users > 0) continue;
    leaving.push(seat);
    missing -= seat.bytes;
  }
  return missing > 0 ? undefined : leaving;
}

function residentAt(seat: Seat, seats: Set<Seat>): Resident {
  let entering = true;
  return {
    use() {
      if (!entering) seat.users += 1;
      entering = false;
      if (seats.delete(seat)) seats.add(seat);
      return () => {
        seat.users -= 1;
      };
    },
    leave: () => void seats.delete(seat),
  };
}

const mib = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
