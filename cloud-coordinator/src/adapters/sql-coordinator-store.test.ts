import { coordinatorStoreContract } from '@skerry/sync-protocol/testing';
import { sqliteDisk } from '../testing/sqlite-disk.ts';
import { createSqlCoordinatorStore } from './sql-coordinator-store.ts';

coordinatorStoreContract('SQLite', () => sqliteDisk((db) => createSqlCoordinatorStore(db)));
