// What every EventStore and AssignmentStore must do, whatever its database. An adapter's whole test is one call each.

import { unwrap } from '@skerry/shared/testing';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import type { Assignment } from '@skerry/sync-protocol/update';
import { describe, expect, it } from 'vitest';
import { type EventStore, eventsPerAppendMax } from '../event-log/event-store.ts';
import type { AssignmentStore, SignedAssignment } from '../update/rollouts/ports.ts';

export interface EventDatabase {
  /** One more coordinator on it. */
  open(): Promise<EventStore>;
  close(): Promise<void>;
}

export function eventStoreContract(
  name: string,
  createDatabase: () => Promise<EventDatabase>,
): void {
  const opened = async (body: (database: EventDatabase) => Promise<void>): Promise<void> => {
    const database = await createDatabase();
    await body(database).finally(() => database.close());
  };

  describe(`${name}: EventStore`, () => {
    it('[RST1] keeps each log in its order, over a restart, and lists them as they began', () =>
      opened(async (database) => {
        const store = await database.open();
        expect(unwrap(await store.list())).toEqual([]);
        expect(unwrap(await store.read('b', 0, 9))).toEqual([]);
        expect(unwrap(await store.append('b', 0, ['{"n":1}', '{"n":2}']))).toBe(true);
        expect(unwrap(await store.append('a', 0, ['{"n":3}']))).toBe(true);
        expect(unwrap(await store.append('b', 2, ['{"n":"ü"}']))).toBe(true);
        const again = await database.open();
        expect(unwrap(await again.list())).toEqual(['b', 'a']);
        expect(unwrap(await again.read('b', 0, 9))).toEqual(['{"n":1}', '{"n":2}', '{"n":"ü"}']);
        expect(unwrap(await again.read('b', 1, 1))).toEqual(['{"n":2}']);
        expect(unwrap(await again.read('b', 3, 9))).toEqual([]);
      }));

    it('[RST2] appends only where the log is as long as the writer believes', () =>
      opened(async (database) => {
        const [one, two] = [await database.open(), await database.open()];
        unwrap(await one.append('log', 0, ['first']));
        expect(unwrap(await two.append('log', 0, ['late']))).toBe(false);
        expect(unwrap(await two.append('log', 2, ['early']))).toBe(false);
        expect(unwrap(await two.append('log', 1, []))).toBe(true);
        expect(unwrap(await one.read('log', 0, 9))).toEqual(['first']);
      }));

    it('[RST2] lets one alone of many at once append, all of it', () =>
      opened(async (database) => {
        const stores = [await database.open(), await database.open(), await database.open()];
        for (let length = 0; length < 20; length += 2) {
          const wrote = await Promise.all(
            stores.map((store, i) => store.append('log', length, [`${i}`, `${i}`])),
          );
          expect(wrote.filter((each) => each.ok && each.value)).toHaveLength(1);
        }
        const log = unwrap(await (stores[0] as EventStore).read('log', 0, 99));
        expect(log).toHaveLength(20);
        for (let i = 0; i < 20; i += 2) expect(log[i]).toBe(log[i + 1]);
      }));

    it('[RST6] removes whole logs that are as long as is said, over a restart, and their names stay taken', () =>
      opened(async (database) => {
        const [one, two] = [await database.open(), await database.open()];
        unwrap(await one.append('a', 0, ['1', '2']));
        unwrap(await one.append('b', 0, ['3']));
        unwrap(await one.append('c', 0, ['4']));
        const removed = await one.remove([
          { name: 'a', length: 2 },
          { name: 'b', length: 2 },
          { name: 'never', length: 0 },
        ]);
        expect(unwrap(removed)).toEqual(['a']);
        const again = await database.open();
        expect(unwrap(await again.list())).toEqual(['b', 'c']);
        expect(unwrap(await again.read('a', 0, 9))).toEqual([]);
        expect(unwrap(await again.read('b', 0, 9))).toEqual(['3']);
        // Neither who believes it is still there, nor who would begin it anew.
        for (const length of [2, 0])
          expect(unwrap(await two.append('a', length, ['5']))).toBe(false);
        expect(unwrap(await again.remove([{ name: 'a', length: 0 }]))).toEqual([]);
        expect(unwrap(await again.list())).toEqual(['b', 'c']);
        expect(unwrap(await again.append('never', 0, ['6']))).toBe(true);
      }));

    it('[RST2] refuses more events than one append may hold', () =>
      opened(async (database) => {
        const store = await database.open();
        const events = new Array<string>(eventsPerAppendMax + 1).fill('x');
        expect(await store.append('log', 0, events)).toMatchObject({
          error: { code: 'too_large' },
        });
        expect(unwrap(await store.list())).toEqual([]);
      }));
  });
}

export interface AssignmentDatabase {
  open(): Promise<{
    readonly assignments: AssignmentStore;
    /** Over the same database. */
    readonly ops: Pick<CoordinatorStore, 'downOpsAfter'>;
  }>;
  close(): Promise<void>;
}

export function assignmentStoreContract(
  name: string,
  createDatabase: () => Promise<AssignmentDatabase>,
): void {
  const opened = async (body: (database: AssignmentDatabase) => Promise<void>): Promise<void> => {
    const database = await createDatabase();
    await body(database).finally(() => database.close());
  };

  describe(`${name}: AssignmentStore`, () => {
    it('[RST3] records an assignment and appends its op together, over a restart', () =>
      opened(async (database) => {
        const { assignments, ops } = await database.open();
        const first = signed('device-1', 1);
        expect(unwrap(await assignments.issue([first, signed('device-2', 1)], 5))).toEqual([
          'device-1',
          'device-2',
        ]);
        const again = await database.open();
        const { assignment, issues } = first;
        expect(unwrap(await again.assignments.read(['device-1', 'nobody']))).toEqual([
          { assignment, issues },
        ]);
        const { ops: down } = unwrap(await ops.downOpsAfter('device-1', 0, 9, 1e6));
        expect(down.map(({ body }) => body)).toEqual([
          { kind: 'assignment', envelope: first.envelope },
        ]);
      }));

    it('[RST3] says each counter once, whoever tries and however often', () =>
      opened(async (database) => {
        const [one, two] = [await database.open(), await database.open()];
        for (let counter = 1; counter <= 5; counter++) {
          const tries = await Promise.all(
            [one, two, one].map(({ assignments }) =>
              assignments.issue([signed('device-1', counter)], 5),
            ),
          );
          expect(tries.filter((each) => each.ok && each.value.length === 1)).toHaveLength(1);
        }
        expect(unwrap(await one.assignments.issue([signed('device-1', 5)], 5))).toEqual([]);
        expect(unwrap(await one.assignments.issue([signed('device-1', 7)], 5))).toEqual([]);
        expect(unwrap(await one.assignments.issue([signed('device-3', 2)], 5))).toEqual([]);
        const { ops } = unwrap(await two.ops.downOpsAfter('device-1', 0, 99, 1e6));
        expect(ops).toHaveLength(5);
        const [last] = unwrap(await two.assignments.read(['device-1']));
        expect(last?.assignment.counter).toBe(5);
      }));

    it('[RST3] of several, issues those that can be', () =>
      opened(async (database) => {
        const { assignments } = await database.open();
        unwrap(await assignments.issue([signed('device-1', 1)], 5));
        const both = [signed('device-1', 1), signed('device-2', 1)];
        expect(unwrap(await assignments.issue(both, 5))).toEqual(['device-2']);
      }));
  });
}

function signed(device: string, counter: number): SignedAssignment {
  const assignment: Assignment = {
    schema: 'skerry.assignment/1',
    device,
    counter,
    issuedMs: 1_750_000_000_000 + counter,
    mode: 'run',
    models: [],
    quarantined: [],
  };
  return {
    assignment,
    issues: { digits: `rollout-1#${counter}` },
    envelope: new Uint8Array([counter, 2, 3]),
  };
}
