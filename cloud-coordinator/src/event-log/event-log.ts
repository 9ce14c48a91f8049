// One log and its fold, as this process knows them. What it believes is checked with each append: where another has
// written meanwhile nothing is written, and whoever wanted to decides again.

import { describeIssues, err, failure, ok, parseJson, type Result } from '@skerry/shared';
import type { z } from 'zod';
import { type EventStore, eventsPerAppendMax } from './event-store.ts';

export interface EventLog<Event, State> {
  readonly name: string;
  state(): State;
  /** In events. */
  length(): number;
  /** Reads what was appended since, by whomever; returns it. */
  refresh(): Promise<Result<readonly Event[]>>;
  /** Why the last `refresh` failed, where the store gave what is no event, so that no state can be known, or too many. */
  unreadable(): string | undefined;
  /** It has all the events that it may. */
  isFull(): boolean;
  /**
   * `false`: another has written since; nothing has changed. Fails with `internal` for what could not be read again: a log
   * only grows, so one such event would be its end.
   */
  append(events: readonly Event[]): Promise<Result<boolean>>;
}

const eventsPerRead = 256;
/** Of a rollout, or of a learning run: many times what any comes to. */
export const eventsPerLogMax = 2_000_000;

export function createEventLog<Event, State>(
  store: EventStore,
  name: string,
  schema: z.ZodType<Event>,
  initial: State,
  fold: (state: State, event: Event) => State,
  eventsMax = Number.POSITIVE_INFINITY,
): EventLog<Event, State> {
  let length = 0;
  let state = initial;
  let unreadable: string | undefined;
  const take = (events: readonly Event[]): void => {
    for (const event of events) state = fold(state, event);
    length += events.length;
  };
  return {
    name,
    state: () => state,
    length: () => length,
    unreadable: () => unreadable,
    isFull: () => length >= eventsMax,
    async refresh() {
      unreadable = undefined;
      const fresh: Event[] = [];
      for (;;) {
        const texts = await store.read(name, length, eventsPerRead);
        if (!texts.ok) return texts;
        const events = readEvents(texts.value, schema);
        if (!events.ok) {
          unreadable = events.error.message;
          return events;
        }
        take(events.value);
        fresh.push(...events.value);
        // What is put aside for it is written to no more.
        if (length >= eventsMax) {
          unreadable = `it holds ${length} events; ${eventsMax} are the most that a log may`;
          return err(failure('too_large', unreadable));
        }
        if (events.value.length < eventsPerRead) return ok(fresh);
      }
    },
    async append(events) {
      if (events.length > eventsPerAppendMax)
        return err(failure('too_large', `${events.length} events at once`));
      for (const event of events) {
        const { error } = schema.safeParse(event);
        if (error !== undefined)
          return err(failure('internal', `an event for ${name}: ${describeIssues(error, 'it')}`));
      }
      const appended = await store.append(name, length, events.map(writeEvent));
      if (appended.ok && appended.value) take(events);
      return appended;
    },
  };
}

/** An event as a log keeps it. */
export const writeEvent = (event: unknown): string => JSON.stringify(event);

/** Fails with `storage_failed`: a log is written by us alone. */
export function readEvents<Event>(
  texts: readonly string[],
  schema: z.ZodType<Event>,
): Result<readonly Event[]> {
  const events: Event[] = [];
  for (const text of texts) {
    const json = parseJson(new TextEncoder().encode(text), 'event', 'storage_failed');
    if (!json.ok) return json;
    const parsed = schema.safeParse(json.value);
    if (!parsed.success)
      return err(failure('storage_failed', `a log holds what is no event: ${text.slice(0, 80)}`));
    events.push(parsed.data);
  }
  return ok(events);
}
