// AuditTable in SQL.

import { attempt } from '@skerry/shared/node';
import type { Kysely } from 'kysely';
import type { AuditTable } from '../route/audits.ts';
import type { Schema } from './schema.ts';

/** Exits of variants in one report. */
const sumsMax = 1_000;

export function createSqlAuditTable(db: Kysely<Schema>): AuditTable {
  return {
    add: (counts, day, keptFromDay) =>
      attempt(() =>
        db.transaction().execute(async (tx) => {
          await tx.deleteFrom('audit').where('day', '<', keptFromDay).execute();
          for (const count of counts)
            await tx
              .insertInto('audit')
              .values({ day, ...count })
              .onConflict((c) =>
                c.columns(['day', 'device', 'variant', 'exit']).doUpdateSet((e) => ({
                  audited: e('audit.audited', '+', count.audited),
                  disagreed: e('audit.disagreed', '+', count.disagreed),
                })),
              )
              .execute();
        }),
      ),

    sums: (fromDay, device) =>
      attempt(async () => {
        const all = db
          .selectFrom('audit')
          .select((e) => [
            'model',
            'version',
            'variant',
            'exit',
            e.fn.sum<number>('audited').as('audited'),
            e.fn.sum<number>('disagreed').as('disagreed'),
          ])
          .where('day', '>=', fromDay)
          .groupBy(['model', 'version', 'variant', 'exit'])
          .orderBy('audited', 'desc')
          .limit(sumsMax);
        const rows = await (device === undefined
          ? all
          : all.where('device', '=', device)
        ).execute();
        // PostgreSQL sums to text.
        return rows.map((row) => ({
          ...row,
          audited: Number(row.audited),
          disagreed: Number(row.disagreed),
        }));
      }),
  };
}
