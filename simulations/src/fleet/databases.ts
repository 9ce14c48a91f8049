// What lies in a process's database, read beside it while it runs.

import { join } from 'node:path';
import { openSqlite } from '@skerry/cloud-coordinator';
import { openDatabase } from '@skerry/edge-agent';

const lockedTriesMax = 50;
const lockedWaitMs = 100;

/** One row of an agent's. Retries while an agent that starts again recovers its file, which locks it. */
export async function readAgent<T>(dataDir: string, sql: string, ...values: string[]): Promise<T> {
  for (let left = lockedTriesMax; ; left--) {
    const database = openDatabase(join(dataDir, 'agent.db'));
    if (database.ok)
      try {
        return database.value.prepare(sql).get(...values) as T;
      } finally {
        database.value.close();
      }
    if (left === 0) throw new Error(database.error.message);
    await new Promise((resolve) => setTimeout(resolve, lockedWaitMs));
  }
}

export interface QuestionsAtAgent {
  /** Made durable, and answered. */
  readonly taken: number;
  readonly answered: number;
}

export const questionsAtAgent = (dataDir: string): Promise<QuestionsAtAgent> =>
  readAgent(dataDir, 'SELECT count(*) AS taken, count(answer) AS answered FROM escalations');

export interface QuestionsAtCoordinator {
  /** Of one device: the seq of the last that was accepted. An agent's seqs go on over restarts, and have no gap. */
  readonly accepted: number;
  /** Accepted and without an answer. */
  readonly open: number;
}

export async function questionsAtCoordinator(dataDir: string): Promise<QuestionsAtCoordinator> {
  const database = await openSqlite(join(dataDir, 'coordinator.sqlite'));
  if (!database.ok) throw new Error(database.error.message);
  try {
    const { accepted } = await database.value
      .selectFrom('mark')
      .select((e) => e.fn.max<number | null>('seq').as('accepted'))
      .where('lane', '=', 'urgent')
      .executeTakeFirstOrThrow();
    const { open } = await database.value
      .selectFrom('escalation')
      .select((e) => e.fn.countAll<number>().as('open'))
      .executeTakeFirstOrThrow();
    return { accepted: accepted ?? 0, open };
  } finally {
    await database.value.destroy();
  }
}
