import { documentLogContract, memberStoreContract } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished } from 'vitest';
import { sqliteDisk } from '../testing/sqlite-disk.ts';
import { createSqlDocumentStore } from './sql-document-store.ts';

documentLogContract('SQL', () =>
  sqliteDisk((db) => ({
    ...createSqlDocumentStore(db),
    async quarantined() {
      const rows = await db.selectFrom('document_quarantine').selectAll().orderBy('id').execute();
      return rows.map(({ at_ms: atMs, ...row }) => ({ ...row, atMs }));
    },
  })),
);
memberStoreContract('SQL', () => sqliteDisk((db) => createSqlDocumentStore(db).members));

it('[QUA5] heads that cannot be read are one document’s, or a member’s that is told everything', async () => {
  const disk = sqliteDisk((db) => ({ db, store: createSqlDocumentStore(db) }));
  const { db, store } = await disk.open();
  onTestFinished(disk.close);
  for (const document of ['site/a', 'site/b'])
    await store.append(document, 0, [Uint8Array.of(1)], { heads: ['a'], sinceMs: 5 });
  const member = { document: 'site/a', device: 'box', epoch: 1, heads: ['a'], position: 0 };
  await store.members.save({ ...member, basisEpoch: 1, basis: ['a'] });
  await db.updateTable('document').set({ heads: '[' }).where('document', '=', 'site/a').execute();
  await db.updateTable('document_member').set({ heads: '[', basis: '{}' }).execute();
  expect(await store.load('site/a')).toMatchObject({ error: { code: 'storage_failed' } });
  expect(await store.load('site/b')).toMatchObject({ value: { heads: ['a'] } });
  expect(await store.members.load()).toMatchObject({
    value: [{ ...member, heads: [], basis: [] }],
  });
});
