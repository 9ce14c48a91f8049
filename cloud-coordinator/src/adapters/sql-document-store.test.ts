import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import {
  type DocumentDisk,
  documentLogContract,
  memberStoreContract,
} from '@skerry/sync-protocol/testing';
import type { Kysely } from 'kysely';
import { onTestFinished } from 'vitest';
import { openSqlite } from './open-sqlite.ts';
import type { Schema } from './schema.ts';
import { createSqlDocumentStore } from './sql-document-store.ts';

function createDisk<Store>(open: (db: Kysely<Schema>) => Store): DocumentDisk<Store> {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let db: Kysely<Schema> | undefined;
  return {
    async open() {
      const opened = await openSqlite(join(folder, 'coordinator.sqlite'));
      assert(opened.ok, 'the database opens');
      db = opened.value;
      return open(db);
    },
    async close() {
      await db?.destroy();
    },
  };
}

documentLogContract('SQL', () =>
  createDisk((db) => ({
    ...createSqlDocumentStore(db),
    async quarantined() {
      const rows = await db.selectFrom('document_quarantine').selectAll().orderBy('id').execute();
      return rows.map(({ at_ms: atMs, ...row }) => ({ ...row, atMs }));
    },
  })),
);
memberStoreContract('SQL', () => createDisk((db) => createSqlDocumentStore(db).members));
