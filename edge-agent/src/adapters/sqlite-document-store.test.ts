import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@skerry/shared';
import type { Quarantined } from '@skerry/sync-protocol/documents';
import {
  type DocumentDisk,
  documentLogContract,
  followerStoreContract,
} from '@skerry/sync-protocol/testing';
import { onTestFinished } from 'vitest';
import { openDatabase, type SqliteDatabase } from './sqlite-database.ts';
import { createSqliteDocumentStore } from './sqlite-document-store.ts';

function createDisk<Store>(open: (database: SqliteDatabase) => Store): DocumentDisk<Store> {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-documents-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let database: SqliteDatabase | undefined;
  return {
    open() {
      const opened = openDatabase(join(folder, 'agent.db'));
      assert(opened.ok, 'the database opens');
      database = opened.value;
      return open(database);
    },
    close: () => void database?.close(),
  };
}

documentLogContract('SQLite', () =>
  createDisk((database) => ({
    ...createSqliteDocumentStore(database),
    quarantined: async () =>
      database
        .prepare<[], Quarantined>(
          'SELECT document, source, reason, bytes, at_ms AS atMs FROM document_quarantine ORDER BY id',
        )
        .all(),
  })),
);
followerStoreContract('SQLite', () => createDisk(createSqliteDocumentStore));
