// AssignmentStore in SQL, on the coordinator's own down ops.

import { collect, ok, parseJson, type Result } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import { type DownBody, encodeBody } from '@skerry/sync-protocol';
import { assignmentSchema } from '@skerry/sync-protocol/update';
import type { Kysely, Transaction } from 'kysely';
import { z } from 'zod';
import type {
  AssignmentStore,
  IssuedAssignment,
  SignedAssignment,
} from '../update/rollouts/index.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Schema } from './schema.ts';
import { emptyDown, insertDown } from './sql-down-ops.ts';

interface AssignmentRow {
  readonly device: string;
  readonly counter: number;
  readonly assignment: string;
  readonly issues: string;
}

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
            .select(['device', 'counter', 'assignment', 'issues'])
            .where('device', 'in', some)
            .execute(),
        );
        if (!rows.ok) return rows;
        issued.push(...rows.value.map(issuedOf));
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
            const { device, counter } = signed.assignment;
            const before = await supersede(tx, signed);
            if (before === undefined) return [];
            const position = await insertDown(tx, device, body, encoded.value, nowMs);
            if (before > 0) await emptyDown(tx, device, before);
            await tx
              .updateTable('assignment')
              .set({ position })
              .where('device', '=', device)
              .where('counter', '=', counter)
              .execute();
            return [device];
          });
        }),
      );
      const issued = collect(tried);
      return issued.ok ? ok(issued.value.flat()) : issued;
    },
  };
}

/**
 * Records it where its counter is the device's next, and says at which position the one before it waits, if it does: 0
 * for none; `undefined` where the counter is not the next.
 */
async function supersede(
  tx: Transaction<Schema>,
  { assignment, issues }: SignedAssignment,
): Promise<number | undefined> {
  const { device, counter } = assignment;
  const row = { counter, assignment: JSON.stringify(assignment), issues: JSON.stringify(issues) };
  if (counter === 1) {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('assignment')
      .values({ device, position: 0, ...row })
      .onConflict((c) => c.column('device').doNothing())
      .executeTakeFirst();
    return (numInsertedOrUpdatedRows ?? 0n) > 0n ? 0 : undefined;
  }
  const updated = await tx
    .updateTable('assignment')
    .set(row)
    .where('device', '=', device)
    .where('counter', '=', counter - 1)
    .returning('position')
    .executeTakeFirst();
  return updated?.position;
}

/** Of a row that cannot be read nothing counts but its counter: the device is told anew. */
function issuedOf({ device, counter, ...row }: AssignmentRow): IssuedAssignment {
  const assignment = assignmentSchema.safeParse(jsonOf(row.assignment));
  const issues = issuesSchema.safeParse(jsonOf(row.issues));
  if (assignment.success && issues.success && assignment.data.counter === counter)
    return { assignment: assignment.data, issues: issues.data };
  const schema = 'skerry.assignment/1';
  const nothing = {
    schema,
    device,
    counter,
    issuedMs: 0,
    mode: 'run',
    models: [],
    quarantined: [],
  };
  return { assignment: assignmentSchema.parse(nothing), issues: {} };
}

function jsonOf(text: string): unknown {
  const json = parseJson(new TextEncoder().encode(text), 'a row', 'storage_failed');
  return json.ok ? json.value : undefined;
}
