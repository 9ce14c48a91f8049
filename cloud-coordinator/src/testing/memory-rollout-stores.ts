// A EventStore and an AssignmentStore whose disk is an object: it outlives the stores that hold it.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import {
  type Append,
  type EventStore,
  eventCharsMax,
  eventsPerAppendMax,
} from '../event-log/event-store.ts';
import type { AssignmentStore, IssuedAssignment } from '../update/rollouts/ports.ts';

export interface MemoryRolloutDisk {
  /** The events that are kept. */
  readonly logs: Map<string, string[]>;
  /** By log, the place of the first of them. */
  readonly begins: Map<string, number>;
  /** The names of logs that were removed. */
  readonly removed: Set<string>;
  /** By device. */
  readonly issued: Map<string, IssuedAssignment>;
}

export function createMemoryRolloutDisk(): MemoryRolloutDisk {
  return { logs: new Map(), begins: new Map(), removed: new Set(), issued: new Map() };
}

export function createMemoryEventStore({ logs, begins, removed }: MemoryRolloutDisk): EventStore {
  const beginOf = (log: string): number => begins.get(log) ?? 0;
  const lengthOf = (log: string): number => beginOf(log) + (logs.get(log)?.length ?? 0);
  const appendAll = (appends: readonly Append[]): Result<boolean> => {
    for (const { events } of appends)
      if (events.length > eventsPerAppendMax || events.some((e) => e.length > eventCharsMax))
        return err(failure('too_large', 'more than one append of events may hold'));
    if (appends.some(({ log, length }) => lengthOf(log) !== length || removed.has(log)))
      return ok(false);
    for (const { log, events } of appends) {
      const known = logs.get(log) ?? [];
      if (events.length > 0) logs.set(log, known);
      known.push(...events);
    }
    return ok(true);
  };
  return {
    list: async () => ok([...logs.keys()]),
    async read(log, from, eventsMax) {
      const place = Math.max(from, beginOf(log));
      const at = place - beginOf(log);
      return ok({ place, events: (logs.get(log) ?? []).slice(at, at + eventsMax) });
    },
    append: async (log, length, events) => appendAll([{ log, length, events }]),
    appendAll: async (appends) => appendAll(appends),
    async fold(log, { from, to }, event) {
      if (event.length > eventCharsMax)
        return err(failure('too_large', 'more than one event may hold'));
      if (beginOf(log) !== from || to <= from || to > lengthOf(log)) return ok(false);
      logs.get(log)?.splice(0, to - from, event);
      begins.set(log, to - 1);
      return ok(true);
    },
    async remove(given) {
      const gone = given.filter(({ name, length }) => logs.has(name) && lengthOf(name) === length);
      for (const { name } of gone) {
        logs.delete(name);
        removed.add(name);
      }
      return ok(gone.map(({ name }) => name));
    },
  };
}

/** `ops` takes the down op of what is issued. */
export function createMemoryAssignmentStore(
  { issued }: MemoryRolloutDisk,
  ops: Pick<CoordinatorStore, 'append'>,
): AssignmentStore {
  return {
    read: async (devices) => ok(devices.flatMap((device) => issued.get(device) ?? [])),
    async issue(assignments, nowMs) {
      const done: string[] = [];
      for (const { assignment, issues, envelope } of assignments) {
        const { device, counter } = assignment;
        const before = issued.get(device);
        if ((before?.assignment.counter ?? 0) + 1 !== counter) continue;
        issued.set(device, { assignment, issues });
        const appended = await ops.append(device, { kind: 'assignment', envelope }, nowMs);
        if (!appended.ok) {
          if (before === undefined) issued.delete(device);
          else issued.set(device, before);
          return appended;
        }
        done.push(device);
      }
      return ok(done);
    },
  };
}
