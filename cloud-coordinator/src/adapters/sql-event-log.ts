// Logs of events in SQL, by kind: of rollouts, of the registry's models, of learning runs, of collections. A log that was
// removed is a name without events; one that was folded begins at a later place than 0.

import { err, failure, type Result } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import type { Kysely, Transaction } from 'kysely';
import {
  type Append,
  type EventStore,
  eventCharsMax,
  eventsPerAppendMax,
} from '../event-log/event-store.ts';
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
          .where(({ exists, selectFrom }) =>
            exists(selectFrom('event').select('place').whereRef('log', '=', 'event_log.id')),
          )
          .orderBy('event_log.id')
          .execute();
        return rows.map(({ name }) => name);
      }),

    read: (name, from, eventsMax) =>
      attempt(async () => {
        const rows = await db
          .selectFrom('event')
          .innerJoin('event_log', 'event_log.id', 'event.log')
          .select(['place', 'event'])
          .where('kind', '=', kind)
          .where('name', '=', name)
          .where('place', '>=', from)
          .orderBy('place')
          .limit(eventsMax)
          .execute();
        // PostgreSQL says a bigint in text.
        const place = Number(rows[0]?.place ?? from);
        return { place, events: rows.map(({ event }) => event) };
      }),

    append: (log, length, events) => appendAll(db, kind, [{ log, length, events }]),

    appendAll: (appends) => appendAll(db, kind, appends),

    async fold(name, span, event) {
      if (event.length > eventCharsMax)
        return err(failure('too_large', 'more than one event may hold'));
      return attempt(() => db.transaction().execute((tx) => fold(tx, kind, name, span, event)));
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

/** Ends a transaction in which something has been written already. */
const outpaced = new Error('another has written meanwhile');

async function appendAll(
  db: Kysely<Schema>,
  kind: string,
  appends: readonly Append[],
): Promise<Result<boolean>> {
  for (const { events } of appends)
    if (events.length > eventsPerAppendMax || events.some((e) => e.length > eventCharsMax))
      return err(failure('too_large', 'more than one append of events may hold'));
  return attempt(async () => {
    try {
      return await db.transaction().execute(async (tx) => {
        for (const { log, length, events } of appends)
          if (!(await append(tx, kind, log, length, events))) throw outpaced;
        return true;
      });
    } catch (thrown) {
      if (thrown === outpaced) return false;
      throw thrown;
    }
  });
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
  const known = log === undefined ? 0 : (await extentOf(tx, log)).length;
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

async function fold(
  tx: Transaction<Schema>,
  kind: string,
  name: string,
  { from, to }: { readonly from: number; readonly to: number },
  event: string,
): Promise<boolean> {
  const log = await lock(tx, kind, name);
  if (log === undefined || to <= from) return false;
  const { first, length } = await extentOf(tx, log);
  if (first !== from || length < to) return false;
  await tx.deleteFrom('event').where('log', '=', log).where('place', '<', to).execute();
  await tx
    .insertInto('event')
    .values({ log, place: to - 1, event })
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
  if (log === undefined || length === 0) return false;
  if ((await extentOf(tx, log)).length !== length) return false;
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

/** Places, of which the first ones may have been folded. A log without events was removed, or never begun. */
async function extentOf(
  tx: Transaction<Schema>,
  log: number,
): Promise<{ readonly first: number | undefined; readonly length: number }> {
  const { first, last } = await tx
    .selectFrom('event')
    .select((e) => [
      e.fn.min<number | string | null>('place').as('first'),
      e.fn.max<number | string | null>('place').as('last'),
    ])
    .where('log', '=', log)
    .executeTakeFirstOrThrow();
  if (first === null || last === null) return { first: undefined, length: 0 };
  // PostgreSQL says a bigint in text.
  return { first: Number(first), length: Number(last) + 1 };
}
