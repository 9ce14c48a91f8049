// All runs as this process knows them: the logs, and how an event gets into one.

import { err, failure, type Log, ok, type Result } from '@skerry/shared';
import { createEventLog, type EventLog, eventsPerLogMax } from '../../event-log/event-log.ts';
import { type EventStore, eventsPerAppendMax } from '../../event-log/event-store.ts';
import { type Removed, removeLogs } from '../../event-log/retention.ts';
import { begin, type transition } from './fold-run.ts';
import { type RunEvent, runEventSchema } from './run-event.ts';
import type { RunState } from './run-state.ts';
import type { Told } from './say-tasks.ts';

/** How often an order is given anew because another coordinator was first. */
const triesMax = 5;

export interface OpenRun {
  readonly log: EventLog<RunEvent, RunState | undefined>;
  /** Whom this process has told what. */
  readonly told: Told;
}

export interface RunBook {
  /** In the order in which they began. */
  runs(): readonly OpenRun[];
  find(id: string): OpenRun | undefined;
  states(): readonly RunState[];
  /** By name, why a run's log cannot be read: it stands still as it is, and is none of `runs`. The others go on. */
  aside(): ReadonlyMap<string, string>;
  /** Reads what others have written. */
  refresh(): Promise<Result<void>>;
  /** `false`: another was first, and nothing is written. */
  append(target: OpenRun, events: readonly RunEvent[]): Promise<Result<boolean>>;
  /** Begins a log. Fails with `invalid_argument` where there is one of its name. */
  begin(id: string, event: RunEvent): Promise<Result<RunState>>;
  /** An operator's word. Fails with `invalid_argument` where the run's phase knows no such thing. */
  order(id: string, event: RunEvent): Promise<Result<void>>;
  /** All that happened to it. */
  read(id: string): Promise<Result<readonly RunEvent[]>>;
  /** Takes these logs away, but for those that another has written to. */
  remove(ids: readonly string[], removed: Removed): Promise<Result<void>>;
}

/** What this process has written, of a run as it was before: to be counted. */
export type Written = (before: RunState | undefined, events: readonly RunEvent[]) => void;

/** Fails with what the store failed with. */
export async function openRunBook(
  store: EventStore,
  change: typeof transition,
  journal: Log,
  written: Written = () => {},
): Promise<Result<RunBook>> {
  const open = new Map<string, OpenRun>();
  const aside = new Map<string, string>();
  /** A log only grows: these are not read again. */
  const full = new Set<string>();
  const openRun = (name: string): OpenRun => ({
    log: createEventLog<RunEvent, RunState | undefined>(
      store,
      name,
      runEventSchema,
      undefined,
      (state, event) => {
        if (state !== undefined) return change(state, event);
        return event.kind === 'created' ? begin(event) : undefined;
      },
      eventsPerLogMax,
    ),
    told: new Map(),
  });

  const refresh = async (): Promise<Result<void>> => {
    const names = await store.list();
    if (!names.ok) return names;
    const there = new Set(names.value);
    for (const name of [...open.keys(), ...aside.keys()])
      if (!there.has(name)) {
        open.delete(name);
        aside.delete(name);
        full.delete(name);
      }
    for (const name of names.value) {
      if (full.has(name)) continue;
      const target = open.get(name) ?? openRun(name);
      const fresh = await target.log.refresh();
      const unreadable = target.log.unreadable();
      if (unreadable !== undefined) {
        if (!aside.has(name)) journal.error({ run: name }, `the run is put aside: ${unreadable}`);
        aside.set(name, unreadable);
        if (target.log.isFull()) full.add(name);
        open.delete(name);
        continue;
      }
      if (!fresh.ok) return fresh;
      aside.delete(name);
      open.set(name, target);
    }
    return ok(undefined);
  };

  const append: RunBook['append'] = async (target, events) => {
    for (let from = 0; from < events.length; from += eventsPerAppendMax) {
      const before = target.log.state();
      const part = events.slice(from, from + eventsPerAppendMax);
      const appended = await target.log.append(part);
      if (!appended.ok || !appended.value) return appended;
      written(before, part);
    }
    return ok(true);
  };

  const opened = await refresh();
  if (!opened.ok) return opened;
  return ok({
    runs: () => [...open.values()],
    find: (id) => open.get(id),
    states: () => [...open.values()].flatMap((each) => each.log.state() ?? []),
    aside: () => aside,
    refresh,
    append,
    async begin(id, event) {
      const target = openRun(id);
      const appended = await append(target, [event]);
      if (!appended.ok) return appended;
      if (!appended.value) return err(failure('invalid_argument', `${id} exists already`));
      open.set(id, target);
      const state = target.log.state();
      return state === undefined ? err(failure('internal', 'begun, and not there')) : ok(state);
    },
    async order(id, event) {
      for (let tries = 0; tries < triesMax; tries++) {
        const refreshed = await refresh();
        if (!refreshed.ok) return refreshed;
        const unreadable = aside.get(id);
        if (unreadable !== undefined) return err(failure('storage_failed', unreadable));
        const target = open.get(id);
        const state = target?.log.state();
        if (target === undefined || state === undefined)
          return err(failure('not_found', `no run ${id}`));
        if (change(state, event).phase === state.phase)
          return err(
            failure('invalid_argument', `${id} is ${state.phase.kind}: it cannot be ${event.kind}`),
          );
        const appended = await append(target, [event]);
        if (!appended.ok) return appended;
        if (appended.value) return ok(undefined);
      }
      return err(failure('unavailable', `others write the log of ${id} all the time`));
    },
    async read(id) {
      const events: RunEvent[] = [];
      const log = openRun(id).log;
      const fresh = await log.refresh();
      if (!fresh.ok) return fresh;
      events.push(...fresh.value);
      return events.length === 0 ? err(failure('not_found', `no run ${id}`)) : ok(events);
    },
    remove: (ids, removed) => removeLogs(store, open, ids, journal, removed),
  });
}
