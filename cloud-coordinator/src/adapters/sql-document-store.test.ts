import { documentLogContract, memberStoreContract } from '@skerry/sync-protocol/testing';
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
