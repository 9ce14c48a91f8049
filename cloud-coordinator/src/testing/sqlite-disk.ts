// One empty SQLite database in a folder of its own, for a contract suite: what opens it again finds what was there.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import type { Kysely } from 'kysely';
import { onTestFinished } from 'vitest';
import { openSqlite } from '../adapters/open-sqlite.ts';
import type { Schema } from '../adapters/schema.ts';

export function sqliteDisk<Store>(open: (db: Kysely<Schema>) => Store) {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let db: Kysely<Schema> | undefined;
  return {
    async open(): Promise<Store> {
      const opened = await openSqlite(join(folder, 'coordinator.sqlite'));
      assert(opened.ok, 'the database opens');
      db = opened.value;
      return open(db);
    },
    async close(): Promise<void> {
      await db?.destroy();
    },
  };
}
