// One rollout's log as this process knows it.

import {
  createEventLog,
  type EventLog,
  eventsPerLogMax,
  readEvents,
} from '../../event-log/event-log.ts';
import type { EventStore } from '../../event-log/event-store.ts';
import { type RolloutEvent, rolloutEventSchema } from './rollout-event.ts';
import { begin, type RolloutState, type transition } from './rollout-state.ts';

export interface OpenRollout {
  readonly log: EventLog<RolloutEvent, RolloutState | undefined>;
  /** Who may not have been told what the log says. */
  readonly unsaid: Set<string>;
  /** As the gate saw them last, and had nothing to say. */
  judged: RolloutState['members'] | undefined;
}

/** Undefined where not even that can be read. */
export async function modelOf(store: EventStore, name: string): Promise<string | undefined> {
  const first = await store.read(name, 0, 1);
  const events = first.ok ? readEvents(first.value.events, rolloutEventSchema) : first;
  const created = events.ok ? events.value[0] : undefined;
  return created?.kind === 'created' ? created.plan.model : undefined;
}

export function noteUnsaid({ unsaid }: OpenRollout, events: readonly RolloutEvent[]): void {
  for (const event of events)
    if (event.kind === 'issued') for (const { device } of event.issues) unsaid.add(device);
}

export function openRollout(
  store: EventStore,
  change: typeof transition,
  name: string,
): OpenRollout {
  const log = createEventLog<RolloutEvent, RolloutState | undefined>(
    store,
    name,
    rolloutEventSchema,
    undefined,
    (state, event) => {
      if (state !== undefined) return change(state, event).state;
      return event.kind === 'created' ? begin(event) : undefined;
    },
    eventsPerLogMax,
  );
  return { log, unsaid: new Set(), judged: undefined };
}
