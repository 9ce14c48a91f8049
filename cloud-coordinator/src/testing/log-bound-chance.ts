// Chance by what a run's log has come to: a run that was killed anywhere meets the chance that it would have met, so that what
// it comes to can be compared. Where the cost of a round is written down, and its model is not, chance is new each time:
// nothing of that model may come from there.

import { createRandom, type Random } from '@skerry/shared';
import type { RandomBytes } from '@skerry/shared/privacy';
import type { EventStore } from '../event-log/event-store.ts';

const isOf = (event: string | undefined, kind: string): boolean =>
  event?.includes(`"kind":"${kind}"`) === true;

/** Of a store with one log, for one life. `own` is what nobody can foresee. */
export function bindChance(
  store: EventStore,
  own: RandomBytes,
): { readonly store: EventStore; readonly chance: RandomBytes } {
  const log: string[] = [];
  let random: Random | undefined;
  const take = (from: number, events: readonly string[]): void => {
    const fresh = events.slice(log.length - from);
    log.push(...fresh);
    // Into how many events replies come is a matter of time.
    if (fresh.some((event) => !isOf(event, 'replied'))) random = undefined;
  };
  return {
    store: {
      ...store,
      async read(name, from, eventsMax) {
        const read = await store.read(name, from, eventsMax);
        if (read.ok) take(read.value.place, read.value.events);
        return read;
      },
      async append(name, from, events) {
        const appended = await store.append(name, from, events);
        if (appended.ok && appended.value) take(from, events);
        return appended;
      },
    },
    chance: {
      fill(into) {
        if (isOf(log.at(-1), 'privacy-committed')) return own.fill(into);
        random ??= createRandom(log.filter((event) => !isOf(event, 'replied')).length + 1);
        for (let i = 0; i < into.length; i++) into[i] = random.below(256);
      },
    },
  };
}
