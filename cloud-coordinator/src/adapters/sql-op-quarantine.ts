// Ops that nobody will ever take, kept for an operator; and how a read gets past rows that cannot be read: they are put
// aside, and what lies behind them is read. One row stops nobody. [QUA3, QUA5]

import { ok, type Result } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import type { Insertable, Kysely, Transaction } from 'kysely';
import type { GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';

/** Over all devices; the oldest go first. */
const quarantineOpsMax = 10_000;

export async function quarantine(
  tx: Transaction<Schema>,
  op: Insertable<Schema['quarantine']>,
): Promise<void> {
  await tx.insertInto('quarantine').values(op).execute();
  await tx
    .deleteFrom('quarantine')
    .where('id', '<=', (q) =>
      q
        .selectFrom('quarantine')
        .select('id')
        .orderBy('id', 'desc')
        .offset(quarantineOpsMax)
        .limit(1),
    )
    .execute();
}

export async function countQuarantined(db: Kysely<Schema>): Promise<Result<number>> {
  const counted = await attempt(() =>
    db
      .selectFrom('quarantine')
      .select((e) => e.fn.countAll<number>().as('ops'))
      .executeTakeFirstOrThrow(),
  );
  return counted.ok ? ok(Number(counted.value.ops)) : counted;
}

/** Each round there are fewer rows that cannot be read, for `putAside` takes them away or mends them. */
export async function readPast<Row, T>(
  commits: GroupCommit,
  read: () => Promise<readonly Row[]>,
  decode: (row: Row) => Result<T>,
  putAside: (tx: Transaction<Schema>, row: Row, reason: string) => Promise<void>,
): Promise<Result<readonly T[]>> {
  for (;;) {
    const rows = await attempt(read);
    if (!rows.ok) return rows;
    const values: T[] = [];
    const unreadable: { readonly row: Row; readonly reason: string }[] = [];
    for (const row of rows.value) {
      const decoded = decode(row);
      if (decoded.ok) values.push(decoded.value);
      else unreadable.push({ row, reason: decoded.error.message });
    }
    if (unreadable.length === 0) return ok(values);
    const aside = await commits.run(async (tx) => {
      for (const { row, reason } of unreadable) await putAside(tx, row, reason);
    });
    if (!aside.ok) return aside;
  }
}
