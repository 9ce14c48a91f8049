// Where logs of events lie: of rollouts, of the registry's models, of learning runs, of collections. Each is all that is known of what it
// is about. The adapter over a database lies elsewhere; the fake in ../testing keeps the same contract.

import type { Result } from '@skerry/shared';

/** Of one append. */
export const eventsPerAppendMax = 64;
/** Of one event as text. */
export const eventCharsMax = 2 * 1024 * 1024;

/** Part of a log, in order. */
export interface EventPage {
  /** Of the first of `events`. */
  readonly place: number;
  readonly events: readonly string[];
}

export interface Append {
  readonly log: string;
  /** As long as the writer believes it. */
  readonly length: number;
  readonly events: readonly string[];
}

/** Logs of events by name, of which only the end grows. Several coordinators may share it. */
export interface EventStore {
  /** The names of all logs that are there, in the order in which they began. */
  list(): Promise<Result<readonly string[]>>;
  /** From the one at `from` on; where that was folded, from what it was folded into. */
  read(log: string, from: number, eventsMax: number): Promise<Result<EventPage>>;
  /**
   * Durable when it returns, all of them or none. `false`: the log's length is not `length`, for another has written;
   * nothing has changed. A log begins with its first append at 0, and one that was removed never again: that is `false`.
   */
  append(log: string, length: number, events: readonly string[]): Promise<Result<boolean>>;
  /** The same of several logs, in this order: all of it or nothing. */
  appendAll(appends: readonly Append[]): Promise<Result<boolean>>;
  /**
   * Puts `event` in the place of the last of those at `from` up to `to`, excluding, and takes the others away, in one
   * transaction: the log is as long as before. `false`: it does not begin at `from`, or is shorter; nothing has changed.
   */
  fold(
    log: string,
    span: { readonly from: number; readonly to: number },
    event: string,
  ): Promise<Result<boolean>>;
  /**
   * Takes whole logs away, in one transaction; of each its name alone stays. Returns those that were as long as is said:
   * to the others somebody has written meanwhile.
   */
  remove(
    logs: readonly { readonly name: string; readonly length: number }[],
  ): Promise<Result<readonly string[]>>;
}
