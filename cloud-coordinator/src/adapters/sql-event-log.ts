// Logs of events in SQL, by kind: of rollouts, of the registry's models, of learning runs, of collections. A log that was
// removed is a name without events.

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
          .innerJoin('event', 'event.log', 'event_log.id')
          .select('name')
          .where('kind', '=', kind)
          .where('place', '=', 0)
          .orderBy('event_log.id')
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

    remove: (logs) =>
      attempt(() =>
        db.transaction().execute(async (tx) => {
          const gone: string[] = [];
          for (const { name, length } of logs)
            if (await remove(tx, kind, name, length)) gone.push(name);
          return gone;
        }),
      ),
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
  const began = length === 0 && events.length > 0 && (await begin(tx, kind, name));
  const log = await lock(tx, kind, name);
  const known = log === undefined ? 0 : await lengthOf(tx, log);
  if (known !== length) return false;
  const wasRemoved = log !== undefined && known === 0 && !began;
  if (wasRemoved) return false;
  if (log === undefined || events.length === 0) return true;
  await tx
    .insertInto('event')
    .values(events.map((event, i) => ({ log, place: length + i, event })))
    .execute();
  return true;
}

async function remove(
  tx: Transaction<Schema>,
  kind: string,
  name: string,
  length: number,
): Promise<boolean> {
  const log = await lock(tx, kind, name);
  if (log === undefined || length === 0 || (await lengthOf(tx, log)) !== length) return false;
  await tx.deleteFrom('event').where('log', '=', log).execute();
  return true;
}

/** `false`: there is one of its name, or was. */
async function begin(tx: Transaction<Schema>, kind: string, name: string): Promise<boolean> {
  const row = await tx
    .insertInto('event_log')
    .values({ kind, name })
    .onConflict((c) => c.columns(['kind', 'name']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** The log's id; `undefined` where there never was one. */
async function lock(
  tx: Transaction<Schema>,
  kind: string,
  name: string,
): Promise<number | undefined> {
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
