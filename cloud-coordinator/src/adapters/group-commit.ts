// One flush of the disk for many writers. Work that arrives while a transaction is under way goes into the next one,
// all of it together; alone, it is committed at once. A transaction costs what its flush costs, and SQLite's stops this
// thread for as long, so this is what decides how many devices a coordinator can acknowledge: under load, flushes are
// `gapMs` apart. How much waits is bounded by those who call: each waits for its own.

import { ok, type Result, sleep } from '@skerry/shared';
import { attempt, systemClock } from '@skerry/shared/node';
import type { Kysely, Transaction } from 'kysely';
import type { Schema } from './schema.ts';

type Work<T> = (tx: Transaction<Schema>) => Promise<T>;

export interface GroupCommit {
  /** Resolves when the work is durable. Fails with `storage_failed`, and then nothing of it has happened. */
  run<T>(work: Work<T>): Promise<Result<T>>;
}

interface Waiting {
  readonly work: Work<unknown>;
  readonly resolve: (result: Result<unknown>) => void;
}

const worksPerTransactionMax = 256;

/** `gapMs`: between the end of one transaction and the beginning of the next, at least. */
export function createGroupCommit(db: Kysely<Schema>, gapMs = 0): GroupCommit {
  const queue: Waiting[] = [];
  let draining = false;
  let endedAtMs = Number.NEGATIVE_INFINITY;

  const commit = async (group: readonly Waiting[]): Promise<void> => {
    // A full disk ends SQLite's transaction by itself; the rollback after it fails too, and would hide the reason.
    let first: Result<unknown[]> | undefined;
    const all = await attempt(() =>
      db.transaction().execute(async (tx) => {
        first = await attempt(async () => {
          const values: unknown[] = [];
          for (const { work } of group) values.push(await work(tx));
          return values;
        });
        if (!first.ok) throw new Error(first.error.message);
        return first.value;
      }),
    );
    const done = first?.ok === false ? first : all;
    if (done.ok) for (const [i, { resolve }] of group.entries()) resolve(ok(done.value[i]));
    else if (group.length === 1) group[0]?.resolve(done);
    // What cannot be stored must fail alone.
    else for (const one of group) await commit([one]);
  };

  const drain = async (): Promise<void> => {
    draining = true;
    while (queue.length > 0) {
      const waitMs = endedAtMs + gapMs - systemClock.monotonicMs();
      if (waitMs > 0 && queue.length < worksPerTransactionMax) await sleep(systemClock, waitMs);
      await commit(queue.splice(0, worksPerTransactionMax));
      endedAtMs = systemClock.monotonicMs();
    }
    draining = false;
  };

  return {
    run: <T>(work: Work<T>) =>
      new Promise<Result<T>>((resolve) => {
        queue.push({ work, resolve: (result) => resolve(result as Result<T>) });
        if (!draining) void drain();
      }),
  };
}
