import { systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { sampleAssignment, sampleLearnTask } from '@skerry/sync-protocol/testing';
import type { Kysely } from 'kysely';
import { describe, expect, it } from 'vitest';
import { assignmentStoreContract, eventStoreContract } from '../testing/rollout-stores-contract.ts';
import { sqliteDisk } from '../testing/sqlite-disk.ts';
import { taskStoreContract } from '../testing/task-store-contract.ts';
import { createGroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';
import { createSqlAssignmentStore } from './sql-assignment-store.ts';
import { createSqlCoordinatorStore } from './sql-coordinator-store.ts';
import { createSqlEventLog } from './sql-event-log.ts';
import { createSqlTaskStore } from './sql-task-store.ts';

/** Stores of one connection, as SQLite's transactions stop this thread; two processes are simulations/e2e's. */
function oneConnection<Store>(open: (db: Kysely<Schema>) => Store) {
  const disk = sqliteDisk((db) => db);
  let db: Promise<Kysely<Schema>> | undefined;
  return {
    async open() {
      db ??= disk.open();
      return open(await db);
    },
    close: disk.close,
  };
}

eventStoreContract('SQLite', async () => oneConnection((db) => createSqlEventLog(db, 'rollout')));

assignmentStoreContract('SQLite', async () =>
  oneConnection((db) => {
    const commits = createGroupCommit(db);
    return {
      assignments: createSqlAssignmentStore(db, commits),
      ops: createSqlCoordinatorStore(db, systemClock, commits),
    };
  }),
);

taskStoreContract('SQLite', async () =>
  oneConnection((db) => {
    const commits = createGroupCommit(db);
    return {
      tasks: createSqlTaskStore(commits),
      ops: createSqlCoordinatorStore(db, systemClock, commits),
    };
  }),
);

describe('assignments in SQLite', () => {
  const told = (counter: number) => ({
    assignment: sampleAssignment({ counter }),
    issues: { digits: `one#${counter}` },
    envelope: Uint8Array.of(counter),
  });
  async function world() {
    const disk = sqliteDisk((db) => db);
    const db = await disk.open();
    const commits = createGroupCommit(db);
    return {
      db,
      assignments: createSqlAssignmentStore(db, commits),
      ops: createSqlCoordinatorStore(db, systemClock, commits),
      close: disk.close,
    };
  }

  it('[RST4] for a device that is away the newest alone waits, and positions have no gap', async () => {
    const { assignments, ops, close } = await world();
    for (const counter of [1, 2, 3]) await assignments.issue([told(counter)], 5);
    const down = await ops.downOpsAfter('device-1', 0, 9, 1e6);
    if (!down.ok) throw new Error(down.error.message);
    expect(down.value.ops.map(({ position, body }) => [position, body.kind])).toEqual([
      [1, 'answer'],
      [2, 'answer'],
      [3, 'assignment'],
    ]);
    await close();
  });

  it('[RST5] what cannot be read of one is told anew, and stops nobody else', async () => {
    const { db, assignments, close } = await world();
    await assignments.issue([told(1)], 5);
    for (const assignment of ['{', '{"schema":"skerry.assignment/0"}']) {
      await db.updateTable('assignment').set({ assignment }).execute();
      expect(await assignments.read(['device-1'])).toMatchObject({
        value: [{ assignment: { device: 'device-1', counter: 1, models: [] }, issues: {} }],
      });
    }
    expect(await assignments.issue([told(2)], 6)).toEqual({ ok: true, value: ['device-1'] });
    expect(await assignments.read(['device-1'])).toMatchObject({
      value: [told(2)].map(({ assignment, issues }) => ({ assignment, issues })),
    });
    await close();
  });
});

describe('tasks in SQLite', () => {
  it('[RND15] of those of a run that wait for a device the newest alone is said', async () => {
    const disk = sqliteDisk((db) => db);
    const db = await disk.open();
    const commits = createGroupCommit(db);
    const tasks = createSqlTaskStore(commits);
    for (let round = 0; round < 3; round++)
      await tasks.say('device-1', 'one', `train ${round}.1`, sampleLearnTask({ round }), 5);
    const ops = createSqlCoordinatorStore(db, systemClock, commits);
    const down = unwrap(await ops.downOpsAfter('device-1', 0, 9, 1e6));
    expect(down.ops.map(({ position, body }) => [position, body.kind])).toEqual([
      [1, 'answer'],
      [2, 'answer'],
      [3, 'learn-task'],
    ]);
    await disk.close();
  });
});
