// What every TaskStore must do, whatever its database. An adapter's whole test is one call.

import { unwrap } from '@skerry/shared/testing';
import type { CoordinatorStore, DownBody } from '@skerry/sync-protocol';
import { sampleLearnTask } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import type { TaskStore } from '../learn/runs/ports.ts';

export interface TaskDatabase {
  open(): Promise<{
    readonly tasks: TaskStore;
    /** Over the same database. */
    readonly ops: Pick<CoordinatorStore, 'downOpsAfter'>;
  }>;
  close(): Promise<void>;
}

export function taskStoreContract(name: string, createDatabase: () => Promise<TaskDatabase>): void {
  const opened = async (body: (database: TaskDatabase) => Promise<void>): Promise<void> => {
    const database = await createDatabase();
    await body(database).finally(() => database.close());
  };
  const task = (run: string, round: number): DownBody => sampleLearnTask({ run, round });

  describe(`${name}: TaskStore`, () => {
    it('[RND15] says each task once, by its name, over a restart', () =>
      opened(async (database) => {
        const { tasks } = await database.open();
        expect(unwrap(await tasks.say('device-1', 'one', 'train 0.1', task('one', 0), 5))).toBe(
          true,
        );
        expect(unwrap(await tasks.say('device-1', 'one', 'train 0.1', task('one', 0), 6))).toBe(
          false,
        );
        expect(unwrap(await tasks.say('device-1', 'two', 'train 0.1', task('two', 0), 6))).toBe(
          true,
        );
        const again = await database.open();
        expect(
          unwrap(await again.tasks.say('device-1', 'one', 'train 0.1', task('one', 0), 7)),
        ).toBe(false);
        const { ops } = unwrap(await again.ops.downOpsAfter('device-1', 0, 9, 1e6));
        expect(ops.map(({ body }) => body)).toEqual([task('one', 0), task('two', 0)]);
      }));

    it('[RND15] forgets a run that has ended, and no other', () =>
      opened(async (database) => {
        const { tasks } = await database.open();
        for (const run of ['one', 'two'])
          unwrap(await tasks.say('device-1', run, 'end 0.1', task(run, 0), 5));
        unwrap(await tasks.forget('one'));
        const said = ['one', 'two'].map((run) =>
          tasks.say('device-1', run, 'end 0.1', task(run, 0), 6),
        );
        expect((await Promise.all(said)).map(unwrap)).toEqual([true, false]);
      }));

    it('[RND15] lets one alone of many at once say it', () =>
      opened(async (database) => {
        const [one, two] = [await database.open(), await database.open()];
        for (let round = 0; round < 5; round++) {
          const tries = await Promise.all(
            [one, two, one].map(({ tasks }) =>
              tasks.say('device-1', 'one', `train ${round}.1`, task('one', round), 5),
            ),
          );
          expect(tries.filter((each) => each.ok && each.value)).toHaveLength(1);
        }
      }));
  });
}
