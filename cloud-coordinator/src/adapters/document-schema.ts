// The tables of documents, and the migration that makes them.

import { type Generated, type Kysely, type Migration, type RawBuilder, sql } from 'kysely';

interface DocumentTable {
  document: string;
  epoch: number;
  version: number;
  /** JSON. */
  heads: string;
  /** Of the first change past the epoch's beginning. */
  since_ms: number | null;
  save: Uint8Array | null;
}

/** Changes after the save, in the order in which they can be applied. */
interface DocumentChangeTable {
  id: Generated<number>;
  document: string;
  bytes: Uint8Array;
}

interface DocumentMemberTable {
  document: string;
  device: string;
  epoch: number;
  heads: string;
  basis_epoch: number;
  basis: string;
  position: number;
}

interface DocumentQuarantineTable {
  id: Generated<number>;
  document: string;
  source: string;
  reason: string;
  bytes: Uint8Array;
  at_ms: number;
}

export interface DocumentSchema {
  document: DocumentTable;
  document_change: DocumentChangeTable;
  document_member: DocumentMemberTable;
  document_quarantine: DocumentQuarantineTable;
}

export function documentMigration(types: {
  readonly bytes: string;
  readonly rowNumber: string;
}): Migration {
  return {
    async up(db: Kysely<unknown>) {
      const bytes: RawBuilder<unknown> = sql.raw(types.bytes);
      await db.schema
        .createTable('document')
        .addColumn('document', 'text', (c) => c.primaryKey())
        .addColumn('epoch', 'bigint', (c) => c.notNull())
        .addColumn('version', 'bigint', (c) => c.notNull())
        .addColumn('heads', 'text', (c) => c.notNull())
        .addColumn('save', bytes)
        .execute();
      await db.schema
        .createTable('document_change')
        .addColumn('id', sql.raw(types.rowNumber), (c) => c.primaryKey())
        .addColumn('document', 'text', (c) => c.notNull())
        .addColumn('bytes', bytes, (c) => c.notNull())
        .execute();
      await db.schema
        .createIndex('document_change_by_document')
        .on('document_change')
        .columns(['document', 'id'])
        .execute();
      await db.schema
        .createTable('document_member')
        .addColumn('document', 'text', (c) => c.notNull())
        .addColumn('device', 'text', (c) => c.notNull())
        .addColumn('epoch', 'bigint', (c) => c.notNull())
        .addColumn('heads', 'text', (c) => c.notNull())
        .addColumn('basis_epoch', 'bigint', (c) => c.notNull())
        .addColumn('basis', 'text', (c) => c.notNull())
        .addColumn('position', 'bigint', (c) => c.notNull())
        .addPrimaryKeyConstraint('document_member_key', ['document', 'device'])
        .execute();
      await db.schema
        .createTable('document_quarantine')
        .addColumn('id', sql.raw(types.rowNumber), (c) => c.primaryKey())
        .addColumn('document', 'text', (c) => c.notNull())
        .addColumn('source', 'text', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('bytes', bytes, (c) => c.notNull())
        .addColumn('at_ms', 'bigint', (c) => c.notNull())
        .execute();
    },
  };
}
