// Where logs of events lie: of rollouts, of the registry's models, of learning runs, of collections. Each is all that is known of what it
// is about. The adapter over a database lies elsewhere; the fake in ../testing keeps the same contract.

import type { Result } from '@skerry/shared';

/** Of one append. */
export const eventsPerAppendMax = 64;
/** Of one event as text. */
export const eventCharsMax = 2 * 1024 * 1024;

/** Logs of events by name, of which only the end grows. Several coordinators may share it. */
export interface EventStore {
  /** The names of all logs that are there, in the order in which they began. */
  list(): Promise<Result<readonly string[]>>;
  /** In order, from the one at `from` on. */
  read(log: string, from: number, eventsMax: number): Promise<Result<readonly string[]>>;
  /**
   * Durable when it returns, all of them or none. `false`: the log's length is not `length`, for another has written;
   * nothing has changed. A log begins with its first append at 0, and one that was removed never again: that is `false`.
   */
  append(log: string, length: number, events: readonly string[]): Promise<Result<boolean>>;
  /**
   * Takes whole logs away, in one transaction; of each its name alone stays. Returns those that were as long as is said:
   * to the others somebody has written meanwhile.
   */
  remove(
    logs: readonly { readonly name: string; readonly length: number }[],
  ): Promise<Result<readonly string[]>>;
}
