// Logs of events in SQL, by kind: of rollouts, of the registry's models, of learning runs, of collections.

import { err, failure } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import type { Kysely, Transaction } from 'kysely';
import { type EventStore, eventCharsMax, eventsPerAppendMax } from '../event-log/event-store.ts';
import type { Schema } from './schema.ts';

export function createSqlEventLog(
  db: Kysely<Schema>,
  kind: 'rollout' | 'model' | 'learn' | 'collection',
): EventStore {
  return {
    list: () =>
      attempt(async () => {
        const rows = await db
          .selectFrom('event_log')
          .select('name')
          .where('kind', '=', kind)
          .orderBy('id')
          .execute();
        return rows.map(({ name }) => name);
      }),

    read: (name, from, eventsMax) =>
      attempt(async () => {
        const rows = await db
          .selectFrom('event')
          .innerJoin('event_log', 'event_log.id', 'event.log')
          .select('event')
          .where('kind', '=', kind)
          .where('name', '=', name)
          .where('place', '>=', from)
          .orderBy('place')
          .limit(eventsMax)
          .execute();
        return rows.map(({ event }) => event);
      }),

    async append(name, length, events) {
      if (events.length > eventsPerAppendMax || events.some((e) => e.length > eventCharsMax))
        return err(failure('too_large', 'more than one append of events may hold'));
      return attempt(() =>
        db.transaction().execute((tx) => append(tx, kind, name, length, events)),
      );
    },
  };
}

async function append(
  tx: Transaction<Schema>,
  kind: string,
  name: string,
  length: number,
  events: readonly string[],
): Promise<boolean> {
  // Writes before it reads: another coordinator's transaction is waited for, and not met halfway.
  const log = await lock(tx, kind, name, length === 0 && events.length > 0);
  const known = log === undefined ? 0 : await lengthOf(tx, log);
  if (known !== length) return false;
  if (log === undefined || events.length === 0) return true;
  await tx
    .insertInto('event')
    .values(events.map((event, i) => ({ log, place: length + i, event })))
    .execute();
  return true;
}

/** The log's id; `undefined` where there is none and none is to be begun. */
async function lock(
  tx: Transaction<Schema>,
  kind: string,
  name: string,
  begin: boolean,
): Promise<number | undefined> {
  if (begin)
    await tx
      .insertInto('event_log')
      .values({ kind, name })
      .onConflict((c) => c.columns(['kind', 'name']).doNothing())
      .execute();
  const row = await tx
    .updateTable('event_log')
    .set({ name })
    .where('kind', '=', kind)
    .where('name', '=', name)
    .returning('id')
    .executeTakeFirst();
  return row?.id;
}

async function lengthOf(tx: Transaction<Schema>, log: number): Promise<number> {
  const row = await tx
    .selectFrom('event')
    .select((e) => e.fn.countAll<number | string>().as('length'))
    .where('log', '=', log)
    .executeTakeFirstOrThrow();
  // PostgreSQL counts in text.
  return Number(row.length);
}
