// All logs as this process knows them, and how a decision gets into one: what is decided is appended where the log is as
// long as the decider believed, and a quarantine is in force before a rollout's log says why.

import { type Clock, collect, err, failure, type Log, ok, type Result } from '@skerry/shared';
import { appendTogether, createEventLog } from '../../event-log/event-log.ts';
import { type EventStore, eventsPerAppendMax } from '../../event-log/event-store.ts';
import { type Removed, removeLogs } from '../../event-log/retention.ts';
import { type Drawn, lineLogName, openFetchLine } from './fetch-line.ts';
import { calmFleet, type FleetState, fleetFolding, nextFleet } from './fleet-state.ts';
import { type FleetEvent, fleetEventSchema, type RolloutEvent } from './rollout-event.ts';
import { modelOf, noteUnsaid, type OpenRollout, openRollout } from './rollout-log.ts';
import type { Effect, RolloutState, transition } from './rollout-state.ts';

export const fleetLogName = 'fleet';
/** How often a decision is made anew because another coordinator was first. */
const triesMax = 5;

export interface Aside {
  readonly reason: string;
  /** As its first event says, where that can be read. */
  readonly model: string | undefined;
  /** A log only grows: it is not read again. */
  readonly isFull: boolean;
}

export interface RolloutBook {
  /** In the order in which they began. */
  rollouts(): readonly OpenRollout[];
  find(id: string): OpenRollout | undefined;
  states(): readonly RolloutState[];
  /** By name, those whose log cannot be read: they stand still, and are none of `rollouts`. */
  aside(): ReadonlyMap<string, Aside>;
  /** Why a rollout must wait for one that is put aside: that has begun later, and may have its devices in hand. */
  heldBy(state: RolloutState): string | undefined;
  fleet(): FleetState;
  /** Goes up with each change of the fleet's rules, by whomever. */
  fleetChanges(): number;
  /** Reads what others have written. */
  refresh(): Promise<Result<void>>;
  /** `false`: another was first, and from there on nothing is written. */
  append(target: OpenRollout, events: readonly RolloutEvent[]): Promise<Result<boolean>>;
  /** The last moments of the herd's line that are known to be given away. */
  line(): Drawn | undefined;
  /** As `append`, with the moments that it takes; `again`: others have taken some, and are known now. [ROL31] */
  draw(
    target: OpenRollout,
    events: readonly RolloutEvent[],
    drawn: Drawn,
  ): Promise<Result<boolean | 'again'>>;
  /** Begins a log. Fails with `invalid_argument` where there is one of its name. */
  begin(id: string, events: readonly RolloutEvent[]): Promise<Result<RolloutState>>;
  /** An operator's word on one rollout. Fails with `invalid_argument` where its phase knows no such thing. */
  order(id: string, eventOf: (atMs: number) => RolloutEvent): Promise<Result<void>>;
  rule(event: FleetEvent): Promise<Result<void>>;
  /** `false`: the fleet's log has grown since it was read, perhaps by another's claim; nothing is claimed. */
  claim(event: Extract<FleetEvent, { kind: 'claimed' }>): Promise<Result<boolean>>;
  /** [ROL30] Where the fleet's log has grown long. */
  fold(): Promise<Result<void>>;
  /** Takes these logs away, but for those that another has written to. */
  remove(ids: readonly string[], removed: Removed): Promise<Result<void>>;
}

/** Fails with what the store failed with. */
export async function openRolloutBook(
  store: EventStore,
  change: typeof transition,
  clock: Clock,
  log: Log,
): Promise<Result<RolloutBook>> {
  const open = new Map<string, OpenRollout>();
  const aside = new Map<string, Aside>();
  let names: readonly string[] = [];
  const fleet = createEventLog(
    store,
    fleetLogName,
    fleetEventSchema,
    calmFleet,
    nextFleet,
    undefined,
    fleetFolding,
  );
  let fleetChanges = 0;
  const line = openFetchLine(store);

  const refreshFleet = async (): Promise<Result<void>> => {
    const fresh = await fleet.refresh();
    if (!fresh.ok) return fresh;
    fleetChanges += fresh.value.filter(({ kind }) => kind !== 'claimed').length;
    return ok(undefined);
  };

  const refresh = async (): Promise<Result<void>> => {
    const rules = await refreshFleet();
    if (!rules.ok) return rules;
    const drawn = await line.refresh();
    // Where it cannot be read no moment is given away; what turns devices back needs none.
    if (!drawn.ok && line.unreadable() === undefined) return drawn;
    const listed = await store.list();
    if (!listed.ok) return listed;
    names = listed.value;
    const there = new Set(names);
    for (const name of [...open.keys(), ...aside.keys()])
      if (!there.has(name)) {
        open.delete(name);
        aside.delete(name);
      }
    for (const name of names) {
      if (name === fleetLogName || name === lineLogName || aside.get(name)?.isFull) continue;
      const target = open.get(name) ?? openRollout(store, change, name);
      const fresh = await target.log.refresh();
      const unreadable = target.log.unreadable();
      if (unreadable !== undefined) {
        if (!aside.has(name)) {
          log.error({ rollout: name }, `the rollout is put aside: ${unreadable}`);
          const model = await modelOf(store, name);
          aside.set(name, { reason: unreadable, model, isFull: target.log.isFull() });
        }
        open.delete(name);
        continue;
      }
      if (!fresh.ok) return fresh;
      aside.delete(name);
      open.set(name, target);
      // The one who has written it may be dead before it was said.
      noteUnsaid(target, fresh.value);
    }
    return ok(undefined);
  };

  const rule = async (event: FleetEvent): Promise<Result<void>> => {
    for (let tries = 0; tries < triesMax; tries++) {
      if (event.kind === 'quarantined' && fleet.state().quarantined.has(event.bundle))
        return ok(undefined);
      const appended = await fleet.append([event]);
      if (!appended.ok) return appended;
      if (appended.value) {
        fleetChanges++;
        return ok(undefined);
      }
      const refreshed = await refreshFleet();
      if (!refreshed.ok) return refreshed;
    }
    return err(failure('unavailable', 'others write the fleet’s log all the time'));
  };

  const bringAbout = async (
    rollout: string,
    effects: readonly Effect[],
    atMs: number,
  ): Promise<Result<void>> => {
    for (const effect of effects) {
      if (effect.kind === 'tell') {
        log.warn({ rollout }, effect.message);
        continue;
      }
      const { bundle, reason } = effect;
      const ruled = await rule({ kind: 'quarantined', atMs, by: rollout, bundle, reason });
      if (!ruled.ok) return ruled;
    }
    return ok(undefined);
  };

  /** `drawn` with the first of them: what comes after takes moments that are taken by then. */
  const write = async (
    target: OpenRollout,
    events: readonly RolloutEvent[],
    drawn?: Drawn,
  ): Promise<Result<boolean>> => {
    for (let from = 0; from < events.length; from += eventsPerAppendMax) {
      const batch = events.slice(from, from + eventsPerAppendMax);
      let state = target.log.state();
      for (const event of batch) {
        if (state === undefined) break;
        const next = change(state, event);
        state = next.state;
        const done = await bringAbout(target.log.name, next.effects, event.atMs);
        if (!done.ok) return done;
      }
      const appended =
        drawn === undefined || from > 0
          ? await target.log.append(batch)
          : await appendDrawn(target, batch, drawn);
      if (!appended.ok || !appended.value) return appended;
      noteUnsaid(target, batch);
    }
    return ok(true);
  };

  const appendDrawn = async (
    target: OpenRollout,
    batch: readonly RolloutEvent[],
    drawn: Drawn,
  ): Promise<Result<boolean>> => {
    const drafts = collect([line.draft([drawn]), target.log.draft(batch)]);
    return drafts.ok ? appendTogether(store, drafts.value) : drafts;
  };

  const append: RolloutBook['append'] = (target, events) => write(target, events);

  const draw: RolloutBook['draw'] = async (target, events, drawn) => {
    const written = await write(target, events, drawn);
    if (!written.ok || written.value) return written;
    const fresh = await line.refresh();
    if (!fresh.ok) return fresh;
    return ok(fresh.value.length > 0 ? 'again' : false);
  };

  const order: RolloutBook['order'] = async (id, eventOf) => {
    for (let tries = 0; tries < triesMax; tries++) {
      const refreshed = await refresh();
      if (!refreshed.ok) return refreshed;
      const unreadable = aside.get(id);
      if (unreadable !== undefined) return err(failure('storage_failed', unreadable.reason));
      const target = open.get(id);
      const state = target?.log.state();
      if (target === undefined || state === undefined)
        return err(failure('not_found', `no rollout ${id}`));
      const event = eventOf(clock.nowMs());
      if (change(state, event).state.phase === state.phase)
        return err(
          failure('invalid_argument', `${id} is ${state.phase.kind}: it cannot be ${event.kind}`),
        );
      const appended = await append(target, [event]);
      if (!appended.ok) return appended;
      if (appended.value) return ok(undefined);
    }
    return err(failure('unavailable', `others write the log of ${id} all the time`));
  };

  const opened = await refresh();
  if (!opened.ok) return opened;
  return ok({
    rollouts: () => [...open.values()],
    find: (id) => open.get(id),
    states: () => [...open.values()].flatMap((each) => each.log.state() ?? []),
    aside: () => aside,
    heldBy: ({ plan }) =>
      names.slice(names.indexOf(plan.id) + 1).find((name) => {
        const other = aside.get(name);
        return other !== undefined && (other.model ?? plan.model) === plan.model;
      }),
    fleet: fleet.state,
    fleetChanges: () => fleetChanges,
    refresh,
    append,
    line: line.state,
    draw,
    async begin(id, events) {
      const target = openRollout(store, change, id);
      const appended = await append(target, events);
      if (!appended.ok) return appended;
      if (!appended.value) return err(failure('invalid_argument', `${id} exists already`));
      open.set(id, target);
      const state = target.log.state();
      return state === undefined ? err(failure('internal', 'begun, and not there')) : ok(state);
    },
    order,
    rule,
    claim: (event) => fleet.append([event]),
    async fold() {
      const drawn = await line.fold();
      if (!drawn.ok) return drawn;
      const folded = await fleet.fold();
      if (!folded.ok) return folded;
      if (folded.value !== undefined)
        log.info({ ...folded.value }, 'the oldest events of the fleet’s log are one now');
      return ok(undefined);
    },
    remove: (ids, removed) => removeLogs(store, open, ids, log, removed),
  });
}
