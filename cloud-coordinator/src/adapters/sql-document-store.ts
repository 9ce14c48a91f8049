// Documents in SQL: the log that the hub's replica lasts in, and whom it shares them with.

import { defined, ok } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import {
  type DocumentLog,
  type MemberStore,
  parseHeads,
  quarantinedBytesMax,
  quarantinedEntriesMax,
} from '@skerry/sync-protocol/documents';
import type { Kysely, Transaction } from 'kysely';
import { createGroupCommit, type GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';

export type SqlDocumentStore = DocumentLog & { readonly members: MemberStore };

export function createSqlDocumentStore(
  db: Kysely<Schema>,
  commits: GroupCommit = createGroupCommit(db),
): SqlDocumentStore {
  /** Moves the document on if `version` is still its version: of two coordinators one is faster. */
  const moveOn = async (
    tx: Transaction<Schema>,
    document: string,
    version: number,
    row: { epoch?: number; heads: string; since_ms: number | null; save?: Uint8Array },
  ): Promise<boolean> => {
    if (version === 0) {
      const made = await tx
        .insertInto('document')
        .values({ document, epoch: 1, save: null, ...row, version: 1 })
        .onConflict((c) => c.column('document').doNothing())
        .executeTakeFirst();
      return (made.numInsertedOrUpdatedRows ?? 0n) > 0n;
    }
    const moved = await tx
      .updateTable('document')
      .set({ ...row, version: version + 1 })
      .where('document', '=', document)
      .where('version', '=', version)
      .executeTakeFirst();
    return moved.numUpdatedRows > 0n;
  };
  return {
    load: (document) =>
      attempt(() =>
        db.transaction().execute(async (tx) => {
          const row = await tx
            .selectFrom('document')
            .selectAll()
            .where('document', '=', document)
            .executeTakeFirst();
          const changes = await tx
            .selectFrom('document_change')
            .select('bytes')
            .where('document', '=', document)
            .orderBy('id')
            .execute();
          return {
            epoch: row?.epoch ?? 1,
            version: row?.version ?? 0,
            heads:
              row === undefined ? [] : defined(parseHeads(row.heads), `heads of '${document}'`),
            sinceMs: row?.since_ms ?? undefined,
            save: row?.save ?? undefined,
            changes: changes.map(({ bytes }) => bytes),
          };
        }),
      ),

    append: (document, version, changes, { heads, sinceMs }) =>
      commits.run(async (tx) => {
        const row = { heads: JSON.stringify(heads), since_ms: sinceMs ?? null };
        if (!(await moveOn(tx, document, version, row))) return false;
        for (const bytes of changes)
          await tx.insertInto('document_change').values({ document, bytes }).execute();
        return true;
      }),

    rewrite: (document, version, { epoch, heads, sinceMs, save }) =>
      commits.run(async (tx) => {
        const row = { epoch, heads: JSON.stringify(heads), since_ms: sinceMs ?? null, save };
        if (!(await moveOn(tx, document, version, row))) return false;
        await tx.deleteFrom('document_change').where('document', '=', document).execute();
        return true;
      }),

    async quarantine({ document, source, reason, bytes, atMs }) {
      const kept = bytes.slice(0, quarantinedBytesMax);
      return commits.run(async (tx) => {
        await tx
          .insertInto('document_quarantine')
          .values({ document, source, reason, bytes: kept, at_ms: atMs })
          .execute();
        const oldest = await tx
          .selectFrom('document_quarantine')
          .select('id')
          .orderBy('id', 'desc')
          .offset(quarantinedEntriesMax)
          .limit(1)
          .executeTakeFirst();
        if (oldest !== undefined)
          await tx.deleteFrom('document_quarantine').where('id', '<=', oldest.id).execute();
      });
    },

    members: {
      async load() {
        const rows = await attempt(() => db.selectFrom('document_member').selectAll().execute());
        if (!rows.ok) return rows;
        return ok(
          rows.value.map(({ document, device, epoch, heads, basis_epoch, basis, position }) => ({
            document,
            device,
            epoch,
            // [QUA5] Of whom it is not known what it has it is told everything.
            heads: parseHeads(heads) ?? [],
            basisEpoch: basis_epoch,
            basis: parseHeads(basis) ?? [],
            position,
          })),
        );
      },
      save({ document, device, epoch, heads, basisEpoch, basis, position }) {
        const row = {
          epoch,
          heads: JSON.stringify(heads),
          basis_epoch: basisEpoch,
          basis: JSON.stringify(basis),
          position,
        };
        return commits.run(async (tx) => {
          await tx
            .insertInto('document_member')
            .values({ document, device, ...row })
            .onConflict((c) => c.columns(['document', 'device']).doUpdateSet(row))
            .execute();
        });
      },
      remove: (document, device) =>
        commits.run(async (tx) => {
          await tx
            .deleteFrom('document_member')
            .where('document', '=', document)
            .where('device', '=', device)
            .execute();
        }),
    },
  };
}
