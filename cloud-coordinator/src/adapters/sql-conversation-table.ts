// ConversationTable in SQL. Names of people and of conversations are kept with what was said alone: what is known to be
// gone, and who has copies, is kept by a hash of them.

import { err, failure, ok, type Result } from '@skerry/shared';
import { attempt, sha256 } from '@skerry/shared/node';
import { type Forget, turnSchema, type WireTurn } from '@skerry/sync-protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { ConversationName, ConversationTable } from '../retrieve/shared-conversations.ts';
import type { GroupCommit } from './group-commit.ts';
import { truncateLog } from './open-sqlite.ts';
import type { Schema } from './schema.ts';

export interface ConversationBounds {
  /** Of one scope: then its oldest turns go. */
  readonly conversationBytesMax: number;
}

type Thread = { readonly scope: string; readonly thread: string };

/** In the place of a turn's id: the whole conversation, up to then. */
const whole = '';

export function createSqlConversationTable(
  db: Kysely<Schema>,
  commits: GroupCommit,
  { conversationBytesMax }: ConversationBounds,
): ConversationTable {
  return {
    add: (scope, device, turn, nowMs) =>
      commits.run(async (tx) => {
        const at = threadOf(scope, turn);
        if (await isGone(tx, at, turn)) return false;
        const record = JSON.stringify(turn);
        const bytes = Buffer.byteLength(record);
        const row = { ...at, turn: turn.turn, at_ms: turn.atMs, bytes, record };
        await tx
          .insertInto('conversation_turn')
          .values(row)
          .onConflict((c) => c.columns(['scope', 'thread', 'turn']).doNothing())
          .execute();
        await hasCopy(tx, at, device, nowMs);
        await cutOldest(tx, scope, conversationBytesMax);
        return true;
      }),

    forget: (scope, forget, nowMs) =>
      commits.run(async (tx) => {
        const at = threadOf(scope, forget);
        await remember(tx, at, forget.gone, nowMs);
        const turns = tx.deleteFrom('conversation_turn').where((e) => e.and(at));
        await (forget.gone.what === 'until'
          ? turns.where('at_ms', '<=', forget.gone.atMs)
          : turns.where('turn', 'in', forget.gone.turns)
        ).execute();
        const copies = await tx
          .selectFrom('conversation_copy')
          .select('device')
          .where((e) => e.and(at))
          .orderBy('device')
          .execute();
        return copies.map(({ device }) => device);
      }),

    async turns(scope, name, count, device, nowMs) {
      const at = threadOf(scope, name);
      const rows = await commits.run(async (tx) => {
        const found = await tx
          .selectFrom('conversation_turn')
          .select('record')
          .where((e) => e.and(at))
          .orderBy('at_ms', 'desc')
          .orderBy('turn', 'desc')
          .limit(count)
          .execute();
        if (found.length > 0) await hasCopy(tx, at, device, nowMs);
        return found;
      });
      return rows.ok ? ok(rows.value.reverse().flatMap(turnOf)) : rows;
    },

    expire: (beforeMs, copiesBeforeMs) =>
      commits.run(async (tx) => {
        await tx.deleteFrom('conversation_turn').where('at_ms', '<=', beforeMs).execute();
        await tx.deleteFrom('conversation_gone').where('kept_ms', '<=', beforeMs).execute();
        await tx.deleteFrom('conversation_copy').where('kept_ms', '<=', copiesBeforeMs).execute();
      }),

    async flush() {
      const emptied = await truncateLog(db);
      if (!emptied.ok || emptied.value) return emptied.ok ? ok(undefined) : emptied;
      return err(failure('storage_failed', 'somebody reads the database, and keeps its log'));
    },

    async count(): Promise<Result<number>> {
      const counted = await attempt(() =>
        db
          .selectFrom('conversation_turn')
          .select((e) => e.fn.countAll<number>().as('turns'))
          .executeTakeFirstOrThrow(),
      );
      return counted.ok ? ok(Number(counted.value.turns)) : counted;
    },
  };
}

const threadOf = (scope: string, { reader, conversation }: ConversationName): Thread => ({
  scope,
  thread: sha256(new TextEncoder().encode(JSON.stringify([reader, conversation]))),
});

/** One that cannot be read costs itself alone. */
function turnOf({ record }: { readonly record: string }): readonly WireTurn[] {
  try {
    return [turnSchema.parse(JSON.parse(record))];
  } catch {
    return [];
  }
}

async function isGone(tx: Transaction<Schema>, at: Thread, turn: WireTurn): Promise<boolean> {
  const gone = await tx
    .selectFrom('conversation_gone')
    .select(['turn', 'until_ms'])
    .where((e) => e.and(at))
    .where('turn', 'in', [whole, turn.turn])
    .execute();
  return gone.some((each) => each.turn !== whole || each.until_ms >= turn.atMs);
}

async function remember(
  tx: Transaction<Schema>,
  at: Thread,
  gone: Forget['gone'],
  nowMs: number,
): Promise<void> {
  const turns = gone.what === 'until' ? [whole] : [...new Set(gone.turns)];
  const untilMs = gone.what === 'until' ? gone.atMs : 0;
  for (const turn of turns)
    await tx
      .insertInto('conversation_gone')
      .values({ ...at, turn, until_ms: untilMs, kept_ms: nowMs })
      .onConflict((c) =>
        c.columns(['scope', 'thread', 'turn']).doUpdateSet((e) => ({
          kept_ms: nowMs,
          until_ms: sql<number>`CASE WHEN ${e.ref('conversation_gone.until_ms')} > ${untilMs}
            THEN ${e.ref('conversation_gone.until_ms')} ELSE ${untilMs} END`,
        })),
      )
      .execute();
}

async function hasCopy(
  tx: Transaction<Schema>,
  at: Thread,
  device: string,
  nowMs: number,
): Promise<void> {
  await tx
    .insertInto('conversation_copy')
    .values({ ...at, device, kept_ms: nowMs })
    .onConflict((c) => c.columns(['scope', 'thread', 'device']).doUpdateSet({ kept_ms: nowMs }))
    .execute();
}

/** All but the newest that fit together. */
async function cutOldest(tx: Transaction<Schema>, scope: string, bytesMax: number) {
  const { bytes } = await tx
    .selectFrom('conversation_turn')
    .select((e) => e.fn.sum<number | null>('bytes').as('bytes'))
    .where('scope', '=', scope)
    .executeTakeFirstOrThrow();
  let over = Number(bytes ?? 0) - bytesMax;
  while (over > 0) {
    const oldest = await tx
      .selectFrom('conversation_turn')
      .select(['thread', 'turn', 'bytes'])
      .where('scope', '=', scope)
      .orderBy('at_ms')
      .orderBy('turn')
      .limit(1)
      .executeTakeFirst();
    if (oldest === undefined) return;
    const { thread, turn } = oldest;
    await tx
      .deleteFrom('conversation_turn')
      .where((e) => e.and({ scope, thread, turn }))
      .execute();
    over -= oldest.bytes;
  }
}
