// What every EventStore and AssignmentStore must do, whatever its database. An adapter's whole test is one call each.

import { unwrap } from '@skerry/shared/testing';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import type { Assignment } from '@skerry/sync-protocol/update';
import { describe, expect, it } from 'vitest';
import { type EventStore, eventCharsMax, eventsPerAppendMax } from '../event-log/event-store.ts';
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
        expect(await eventsOf(store, 'b')).toEqual([]);
        expect(unwrap(await store.append('b', 0, ['{"n":1}', '{"n":2}']))).toBe(true);
        expect(unwrap(await store.append('a', 0, ['{"n":3}']))).toBe(true);
        expect(unwrap(await store.append('b', 2, ['{"n":"ü"}']))).toBe(true);
        const again = await database.open();
        expect(unwrap(await again.list())).toEqual(['b', 'a']);
        expect(await eventsOf(again, 'b')).toEqual(['{"n":1}', '{"n":2}', '{"n":"ü"}']);
        expect(unwrap(await again.read('b', 1, 1))).toEqual({ place: 1, events: ['{"n":2}'] });
        expect(unwrap(await again.read('b', 3, 9))).toEqual({ place: 3, events: [] });
      }));

    it('[RST2] appends only where the log is as long as the writer believes', () =>
      opened(async (database) => {
        const [one, two] = [await database.open(), await database.open()];
        unwrap(await one.append('log', 0, ['first']));
        expect(unwrap(await two.append('log', 0, ['late']))).toBe(false);
        expect(unwrap(await two.append('log', 2, ['early']))).toBe(false);
        expect(unwrap(await two.append('log', 1, []))).toBe(true);
        expect(await eventsOf(one, 'log')).toEqual(['first']);
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
        const log = await eventsOf(stores[0] as EventStore, 'log');
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
        expect(await eventsOf(again, 'a')).toEqual([]);
        expect(await eventsOf(again, 'b')).toEqual(['3']);
        // Neither who believes it is still there, nor who would begin it anew.
        for (const length of [2, 0])
          expect(unwrap(await two.append('a', length, ['5']))).toBe(false);
        expect(unwrap(await again.remove([{ name: 'a', length: 0 }]))).toEqual([]);
        expect(unwrap(await again.list())).toEqual(['b', 'c']);
        expect(unwrap(await again.append('never', 0, ['6']))).toBe(true);
      }));

    it('[RST8] appends to several logs at once, all of it or nothing', () =>
      opened(async (database) => {
        const [one, two] = [await database.open(), await database.open()];
        const both = (length: number, ...events: string[]) => [
          { log: 'line', length, events },
          { log: 'own', length, events },
        ];
        expect(unwrap(await one.appendAll(both(0, '1')))).toBe(true);
        unwrap(await one.append('own', 1, ['2']));
        expect(unwrap(await two.appendAll(both(1, 'late')))).toBe(false);
        const begins = { log: 'new', length: 0, events: ['x'] };
        expect(unwrap(await two.appendAll([begins, ...both(1, 'late')]))).toBe(false);
        const long = { ...begins, events: ['x'.repeat(eventCharsMax + 1)] };
        expect((await two.appendAll([begins, long])).ok).toBe(false);
        expect(await eventsOf(one, 'line')).toEqual(['1']);
        expect(await eventsOf(one, 'own')).toEqual(['1', '2']);
        // What was never begun may begin.
        expect(unwrap(await two.appendAll([begins]))).toBe(true);
        const tries = await Promise.all([
          one.appendAll([
            { log: 'line', length: 1, events: ['a'] },
            { ...begins, length: 1 },
          ]),
          two.appendAll([
            { log: 'line', length: 1, events: ['b'] },
            { log: 'own', length: 2, events: ['b'] },
          ]),
        ]);
        expect(tries.filter((each) => each.ok && each.value)).toHaveLength(1);
        expect(await eventsOf(one, 'line')).toHaveLength(2);
      }));

    it('[RST7] folds the oldest events into one, over a restart, and the log is as long as before', () =>
      opened(async (database) => {
        const [one, two] = [await database.open(), await database.open()];
        unwrap(await one.append('log', 0, ['0', '1', '2', '3']));
        unwrap(await one.append('later', 0, ['x']));
        expect(unwrap(await one.fold('log', { from: 0, to: 3 }, '0-2'))).toBe(true);
        const again = await database.open();
        expect(unwrap(await again.read('log', 0, 9))).toEqual({ place: 2, events: ['0-2', '3'] });
        expect(unwrap(await again.read('log', 3, 9))).toEqual({ place: 3, events: ['3'] });
        expect(unwrap(await again.list())).toEqual(['log', 'later']);
        // Nobody who writes notices.
        expect(unwrap(await two.append('log', 4, ['4']))).toBe(true);
        expect(unwrap(await two.append('log', 3, ['late']))).toBe(false);
        expect(unwrap(await two.fold('log', { from: 2, to: 5 }, '0-4'))).toBe(true);
        expect(unwrap(await again.read('log', 0, 9))).toEqual({ place: 4, events: ['0-4'] });
        expect(unwrap(await one.remove([{ name: 'log', length: 5 }]))).toEqual(['log']);
        expect(unwrap(await one.list())).toEqual(['later']);
      }));

    it('[RST7] folds where the log begins and reaches as is said, one of several at once', () =>
      opened(async (database) => {
        const stores = [await database.open(), await database.open(), await database.open()];
        const [store] = stores as [EventStore];
        unwrap(await store.append('log', 0, ['0', '1', '2', '3']));
        for (const span of [
          { from: 0, to: 5 },
          { from: 1, to: 3 },
          { from: 0, to: 0 },
        ])
          expect(unwrap(await store.fold('log', span, 'x'))).toBe(false);
        expect(unwrap(await store.fold('never', { from: 0, to: 1 }, 'x'))).toBe(false);
        const long = 'x'.repeat(eventCharsMax + 1);
        expect((await store.fold('log', { from: 0, to: 3 }, long)).ok).toBe(false);
        expect(await eventsOf(store, 'log')).toEqual(['0', '1', '2', '3']);
        const folded = await Promise.all(
          stores.map((each, i) => each.fold('log', { from: 0, to: 3 }, `by ${i}`)),
        );
        expect(folded.filter((each) => each.ok && each.value)).toHaveLength(1);
        expect(await eventsOf(store, 'log')).toHaveLength(2);
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

const eventsOf = async (store: EventStore, log: string): Promise<readonly string[]> =>
  unwrap(await store.read(log, 0, 99)).events;

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
