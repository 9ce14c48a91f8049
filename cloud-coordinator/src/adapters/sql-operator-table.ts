// OperatorTable in SQL.

import { attempt } from '@skerry/shared/node';
import type { Kysely } from 'kysely';
import type { OperatorTable } from '../fleet/operators.ts';
import type { Schema } from './schema.ts';

export function createSqlOperatorTable(db: Kysely<Schema>): OperatorTable {
  return {
    list: () =>
      attempt(() =>
        db.selectFrom('operator').select(['name', 'role', 'sha256']).orderBy('name').execute(),
      ),

    put: (operator, nowMs) =>
      attempt(async () => {
        await db
          .insertInto('operator')
          .values({ ...operator, since_ms: nowMs })
          .onConflict((c) => c.column('name').doUpdateSet({ ...operator, since_ms: nowMs }))
          .execute();
      }),

    remove: (name) =>
      attempt(async () => {
        const { numDeletedRows } = await db
          .deleteFrom('operator')
          .where('name', '=', name)
          .executeTakeFirst();
        return numDeletedRows > 0n;
      }),
  };
}
