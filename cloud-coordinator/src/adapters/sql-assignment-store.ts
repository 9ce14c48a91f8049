// AssignmentStore in SQL, on the coordinator's own down ops.

import { assert, collect, describeIssues, err, failure, ok, type Result } from '@skerry/shared';
import { type DownBody, encodeBody } from '@skerry/sync-protocol';
import { assignmentSchema } from '@skerry/sync-protocol/update';
import type { Kysely, Transaction } from 'kysely';
import { z } from 'zod';
import type {
  AssignmentStore,
  IssuedAssignment,
  SignedAssignment,
} from '../update/rollouts/index.ts';
import { attempt } from './attempt.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';
import { insertDown } from './sql-down-ops.ts';

const issuesSchema = z.record(z.string(), z.string());
/** SQLite takes 32 766 parameters in a statement. */
const devicesPerReadMax = 10_000;

export function createSqlAssignmentStore(
  db: Kysely<Schema>,
  commits: GroupCommit,
): AssignmentStore {
  return {
    async read(devices) {
      const issued: IssuedAssignment[] = [];
      for (let from = 0; from < devices.length; from += devicesPerReadMax) {
        const some = devices.slice(from, from + devicesPerReadMax);
        const rows = await attempt(() =>
          db
            .selectFrom('assignment')
            .select(['device', 'assignment', 'issues'])
            .where('device', 'in', some)
            .execute(),
        );
        if (!rows.ok) return rows;
        const read = collect(rows.value.map(issuedOf));
        if (!read.ok) return read;
        issued.push(...read.value);
      }
      return ok(issued);
    },

    async issue(assignments, nowMs) {
      const tried = await Promise.all(
        assignments.map(async (signed): Promise<Result<readonly string[]>> => {
          const body: DownBody = { kind: 'assignment', envelope: signed.envelope };
          const encoded = encodeBody(body);
          if (!encoded.ok) return encoded;
          return commits.run(async (tx) => {
            if (!(await record(tx, signed))) return [];
            await insertDown(tx, signed.assignment.device, body, encoded.value, nowMs);
            return [signed.assignment.device];
          });
        }),
      );
      const issued = collect(tried);
      return issued.ok ? ok(issued.value.flat()) : issued;
    },
  };
}

/** Whether its counter is the device's next. */
async function record(
  tx: Transaction<Schema>,
  { assignment, issues }: SignedAssignment,
): Promise<boolean> {
  const { device, counter } = assignment;
  const row = { counter, assignment: JSON.stringify(assignment), issues: JSON.stringify(issues) };
  if (counter === 1) {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('assignment')
      .values({ device, ...row })
      .onConflict((c) => c.column('device').doNothing())
      .executeTakeFirst();
    return (numInsertedOrUpdatedRows ?? 0n) > 0n;
  }
  const { numUpdatedRows } = await tx
    .updateTable('assignment')
    .set(row)
    .where('device', '=', device)
    .where('counter', '=', counter - 1)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

function issuedOf(row: {
  device: string;
  assignment: string;
  issues: string;
}): Result<IssuedAssignment> {
  const assignment = assignmentSchema.safeParse(JSON.parse(row.assignment));
  const issues = issuesSchema.safeParse(JSON.parse(row.issues));
  if (!assignment.success)
    return err(
      failure(
        'storage_failed',
        `${row.device}: ${describeIssues(assignment.error, 'what it was told')}`,
      ),
    );
  assert(issues.success, 'the issues are what was written beside it');
  return ok({ assignment: assignment.data, issues: issues.data });
}
