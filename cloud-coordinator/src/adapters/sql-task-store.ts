// TaskStore in SQL, on the coordinator's own down ops.

import { encodeBody } from '@skerry/sync-protocol';
import type { TaskStore } from '../learn/runs/index.ts';
import type { GroupCommit } from './group-commit.ts';
import { emptyDown, insertDown } from './sql-down-ops.ts';

export function createSqlTaskStore(commits: GroupCommit): TaskStore {
  return {
    async say(device, run, name, body, nowMs) {
      const encoded = encodeBody(body);
      if (!encoded.ok) return encoded;
      return commits.run(async (tx) => {
        // Writes before it reads: another coordinator's transaction is waited for, and not met halfway.
        await tx
          .insertInto('learn_task')
          .values({ device, run, name: '', position: 0 })
          .onConflict((c) => c.columns(['device', 'run']).doNothing())
          .execute();
        const before = await tx
          .updateTable('learn_task')
          .set({ name })
          .where('device', '=', device)
          .where('run', '=', run)
          .where('name', '!=', name)
          .returning('position')
          .executeTakeFirst();
        if (before === undefined) return false;
        const position = await insertDown(tx, device, body, encoded.value, nowMs);
        if (before.position > 0) await emptyDown(tx, device, before.position);
        await tx
          .updateTable('learn_task')
          .set({ position })
          .where('device', '=', device)
          .where('run', '=', run)
          .execute();
        return true;
      });
    },

    forget: (run) =>
      commits.run(async (tx) => {
        await tx.deleteFrom('learn_task').where('run', '=', run).execute();
      }),
  };
}
