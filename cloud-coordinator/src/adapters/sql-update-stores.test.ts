import { systemClock } from '@skerry/shared/node';
import { sampleAssignment } from '@skerry/sync-protocol/testing';
import type { Kysely } from 'kysely';
import { describe, expect, it } from 'vitest';
import { assignmentStoreContract, eventStoreContract } from '../testing/rollout-stores-contract.ts';
import { sqliteDisk } from '../testing/sqlite-disk.ts';
import { createGroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';
import { createSqlAssignmentStore } from './sql-assignment-store.ts';
import { createSqlCoordinatorStore } from './sql-coordinator-store.ts';
import { createSqlEventLog } from './sql-event-log.ts';

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
