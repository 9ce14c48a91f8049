import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import { coordinatorStoreContract } from '@skerry/sync-protocol/testing';
import type { Kysely } from 'kysely';
import { onTestFinished } from 'vitest';
import { openSqlite } from './open-sqlite.ts';
import type { Schema } from './schema.ts';
import { createSqlCoordinatorStore } from './sql-coordinator-store.ts';

coordinatorStoreContract('SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let db: Kysely<Schema> | undefined;
  return {
    async open() {
      const opened = await openSqlite(join(folder, 'coordinator.sqlite'));
      assert(opened.ok, 'the database opens');
      db = opened.value;
      return createSqlCoordinatorStore(db);
    },
    async close() {
      await db?.destroy();
    },
  };
});
