// A EventStore and an AssignmentStore whose disk is an object: it outlives the stores that hold it.

import { err, failure, ok } from '@skerry/shared';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import { type EventStore, eventCharsMax, eventsPerAppendMax } from '../event-log/event-store.ts';
import type { AssignmentStore, IssuedAssignment } from '../update/rollouts/ports.ts';

export interface MemoryRolloutDisk {
  readonly logs: Map<string, string[]>;
  /** The names of logs that were removed. */
  readonly removed: Set<string>;
  /** By device. */
  readonly issued: Map<string, IssuedAssignment>;
}

export function createMemoryRolloutDisk(): MemoryRolloutDisk {
  return { logs: new Map(), removed: new Set(), issued: new Map() };
}

export function createMemoryEventStore({ logs, removed }: MemoryRolloutDisk): EventStore {
  return {
    list: async () => ok([...logs.keys()]),
    read: async (log, from, eventsMax) => ok((logs.get(log) ?? []).slice(from, from + eventsMax)),
    async append(log, length, events) {
      if (events.length > eventsPerAppendMax || events.some((e) => e.length > eventCharsMax))
        return err(failure('too_large', 'more than one append of events may hold'));
      const known = logs.get(log) ?? [];
      if (known.length !== length || removed.has(log)) return ok(false);
      if (events.length > 0) logs.set(log, known);
      known.push(...events);
      return ok(true);
    },
    async remove(given) {
      const gone = given.filter(({ name, length }) => logs.get(name)?.length === length);
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
