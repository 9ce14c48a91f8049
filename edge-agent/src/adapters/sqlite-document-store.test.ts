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
import { expect, it, onTestFinished } from 'vitest';
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

it('[QUA5] heads that cannot be read are those of one document, and of a hub that is asked again', async () => {
  const opened = openDatabase(':memory:');
  assert(opened.ok, 'the database opens');
  const store = createSqliteDocumentStore(opened.value);
  for (const document of ['site/a', 'site/b']) {
    await store.append(document, 0, [Uint8Array.of(1)], { heads: ['a'], sinceMs: 5 });
    store.noteHubHeads(document, ['a']);
  }
  opened.value.exec(`UPDATE document SET heads = '[' WHERE document = 'site/a'`);
  opened.value.exec(`UPDATE document_hub SET heads = '{}' WHERE document = 'site/a'`);
  expect(await store.load('site/a')).toMatchObject({ error: { code: 'storage_failed' } });
  expect(await store.load('site/b')).toMatchObject({ value: { heads: ['a'] } });
  expect(store.hubHeads('site/a')).toEqual([]);
  expect(store.hubHeads('site/b')).toEqual(['a']);
});
