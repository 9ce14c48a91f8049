// One log and its fold, as this process knows them. What it believes is checked with each append: where another has
// written meanwhile nothing is written, and whoever wanted to decides again.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { z } from 'zod';
import { eventsPerAppendMax, type RolloutStore } from './ports.ts';
import { type FleetEvent, type RolloutEvent, readEvents, writeEvent } from './rollout-event.ts';

export interface EventLog<Event, State> {
  readonly name: string;
  state(): State;
  /** Reads what was appended since, by whomever; returns it. */
  refresh(): Promise<Result<readonly Event[]>>;
  /** `false`: another has written since; nothing has changed. */
  append(events: readonly Event[]): Promise<Result<boolean>>;
}

const eventsPerRead = 256;

export function createEventLog<Event extends RolloutEvent | FleetEvent, State>(
  store: RolloutStore,
  name: string,
  schema: z.ZodType<Event>,
  initial: State,
  fold: (state: State, event: Event) => State,
): EventLog<Event, State> {
  let length = 0;
  let state = initial;
  const take = (events: readonly Event[]): void => {
    for (const event of events) state = fold(state, event);
    length += events.length;
  };
  return {
    name,
    state: () => state,
    async refresh() {
      const fresh: Event[] = [];
      for (;;) {
        const texts = await store.read(name, length, eventsPerRead);
        if (!texts.ok) return texts;
        const events = readEvents(texts.value, schema);
        if (!events.ok) return events;
        take(events.value);
        fresh.push(...events.value);
        if (events.value.length < eventsPerRead) return ok(fresh);
      }
    },
    async append(events) {
      if (events.length > eventsPerAppendMax)
        return err(failure('too_large', `${events.length} events at once`));
      const appended = await store.append(name, length, events.map(writeEvent));
      if (appended.ok && appended.value) take(events);
      return appended;
    },
  };
}
