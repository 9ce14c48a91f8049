import type { Kysely } from 'kysely';
import {
  assignmentStoreContract,
  rolloutStoreContract,
} from '../testing/rollout-stores-contract.ts';
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

rolloutStoreContract('SQLite', async () => oneConnection((db) => createSqlEventLog(db, 'rollout')));

assignmentStoreContract('SQLite', async () =>
  oneConnection((db) => {
    const commits = createGroupCommit(db);
    return {
      assignments: createSqlAssignmentStore(db, commits),
      ops: createSqlCoordinatorStore(db, commits),
    };
  }),
);
