// Conversations that devices share, over a database in memory.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as settled } from 'node:timers/promises';
import { createRandom, ok, silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import type { Forget, UpBody, WireTurn } from '@skerry/sync-protocol';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  sampleExchange,
  sampleForget,
  sampleTurn,
} from '@skerry/sync-protocol/testing';
import { expect, onTestFinished, test } from 'vitest';
import { createGroupCommit } from '../adapters/group-commit.ts';
import { openSqlite } from '../adapters/open-sqlite.ts';
import { createSqlConversationTable } from '../adapters/sql-conversation-table.ts';
import { createSqlCoordinatorStore } from '../adapters/sql-coordinator-store.ts';
import { conversationRoutes } from '../http/conversations.ts';
import { createSharedConversations } from './shared-conversations.ts';

const retentionMs = 86_400_000;
const sites: Readonly<Record<string, string>> = {
  anna: 'north',
  bert: 'north',
  dora: 'north',
  cato: 'south',
};
const name = { reader: 'ann', conversation: 'shift-1' };

async function world(conversationBytesMax = 1e6, file?: string) {
  const clock = createVirtualClock(1_750_000_000_000);
  const db = unwrap(await openSqlite(file ?? ':memory:'));
  onTestFinished(() => db.destroy());
  const store =
    file === undefined
      ? createMemoryCoordinatorStore(createMemoryCoordinatorDisk())
      : createSqlCoordinatorStore(db, clock);
  const table = createSqlConversationTable(db, createGroupCommit(db), { conversationBytesMax });
  const news: string[] = [];
  const conversations = createSharedConversations({
    ...{ store, table, retentionMs, clock, log: silentLog },
    siteOf: async (device) => ok(sites[device]),
    news: (device) => news.push(device),
  });
  onTestFinished(conversations.close);
  let seq = 0;
  const send = async (device: string, ...bodies: readonly UpBody[]) => {
    const ops = bodies.map((body) => ({ seq: ++seq, atMs: 0, body }));
    const assigned = { urgent: seq, normal: seq, bulk: seq };
    unwrap(await store.accept(sampleExchange({ device, ops, assigned }), clock.nowMs()));
    conversations.arrived();
    for (let i = 0; i < 20; i++) await settled();
  };
  const idsFor = async (device: string, share: WireTurn['share'] = 'site', who = name) => {
    const turns = unwrap(await conversations.turnsFor(device, share, who));
    return turns.map(({ turn }) => turn);
  };
  const toldTo = async (device: string) =>
    unwrap(await store.downOpsAfter(device, 0, 100, 1e6)).ops.map(({ body }) => body);
  const said = (turn: string, afterMs: number, more: Partial<WireTurn> = {}) =>
    sampleTurn(turn, { atMs: clock.nowMs() + afterMs, ...more });
  const gone = (what: Forget['gone']) => sampleForget({ gone: what });
  const pass = (ms: number) => {
    let isOver = false;
    clock.after(ms, () => (isOver = true));
    while (!isOver) clock.runNext(Number.POSITIVE_INFINITY);
  };
  return { pass, clock, store, db, table, conversations, news, send, idsFor, toldTo, said, gone };
}

test('[CON8] turns are there in their order once, and what is gone stays away, in whatever order and however often they come', async () => {
  const random = createRandom(3);
  for (let round = 0; round < 3; round++) {
    const { send, idsFor, said, gone, clock } = await world();
    const turns = [said('a', 1), said('b', 2), said('c', 3), said('d', 4)];
    const words = [
      gone({ what: 'until', atMs: clock.nowMs() + 1 }),
      gone({ what: 'turns', turns: ['c'] }),
      gone({ what: 'until', atMs: clock.nowMs() }),
    ];
    const ops = [...turns, ...words, ...turns, ...words]
      .map((body) => ({ body, at: random.next() }))
      .sort((one, other) => one.at - other.at);
    for (const { body } of ops) await send('anna', body);
    expect(await idsFor('anna')).toEqual(['b', 'd']);
  }
});

test('[CON8] of two words that a conversation is gone the later time counts', async () => {
  const { send, idsFor, said, gone, clock } = await world();
  await send('anna', gone({ what: 'until', atMs: clock.nowMs() + 1 }));
  await send('anna', gone({ what: 'until', atMs: clock.nowMs() }));
  await send('anna', said('a', 1), said('b', 2));
  expect(await idsFor('anna')).toEqual(['b']);
});

test('[CON8] a turn that a bug stumbles over is left out and kept nowhere, a word to forget is put aside, and what is behind them is taken', async () => {
  const { send, said, gone, idsFor, table, store } = await world();
  const { add } = table;
  Object.assign(table, {
    add: async (...args: Parameters<typeof add>) => {
      if (args[2].turn === 'bad') throw new Error('a bug');
      return add(...args);
    },
    forget: async () => {
      throw new Error('a bug');
    },
  });
  await send('anna', said('bad', 1), said('b', 2));
  expect(await idsFor('anna')).toEqual(['b']);
  expect(unwrap(await store.quarantined())).toBe(0);
  await send('anna', gone({ what: 'turns', turns: ['b'] }));
  expect(unwrap(await store.quarantined())).toBe(1);
  for (const kind of ['turn', 'forget'] as const)
    expect(unwrap(await store.openOps(kind, 9))).toEqual([]);
});

test('[CON10] whoever has said some is told too, whoever has found nothing is not, and all the while that they may have copies', async () => {
  const { send, idsFor, toldTo, said, gone, pass, db } = await world();
  await idsFor('bert');
  await send('anna', said('a', 1));
  pass(2 * retentionMs);
  await send('dora');
  const forget = gone({ what: 'turns', turns: ['a'] });
  await send('dora', forget);
  expect([await toldTo('anna'), await toldTo('bert')]).toEqual([[forget], []]);
  const left = () => db.selectFrom('conversation_gone').selectAll().execute();
  expect(await left()).toHaveLength(1);
  pass(2 * retentionMs);
  await send('dora');
  expect(await left()).toEqual([]);
});

test('[CON8] they are shown to devices of their site, or to the device whose own they are, and to nobody else', async () => {
  const { send, idsFor, said, conversations } = await world();
  await send('anna', said('a', 1), said('own', 2, { share: 'device', reader: '' }));
  await send('nobody', said('lost', 3));
  expect(await idsFor('bert')).toEqual(['a']);
  expect(await idsFor('cato')).toEqual([]);
  expect(await idsFor('bert', 'site', { ...name, reader: 'bob' })).toEqual([]);
  const unnamed = { ...name, reader: '' };
  expect(await idsFor('anna', 'device', unnamed)).toEqual(['own']);
  expect(await idsFor('bert', 'device', unnamed)).toEqual([]);
  const refused = await conversations.turnsFor('nobody', 'site', name);
  expect(refused).toMatchObject({ error: { code: 'permission_denied' } });
  const app = conversationRoutes(conversations, true);
  const url = '/v1/conversations/shift-1/turns?reader=ann&share=site';
  const as = (device: string | undefined) =>
    app.request(
      url,
      {},
      { peer: device === undefined ? undefined : { kind: 'device', name: device } },
    );
  expect((await as(undefined)).status).toBe(401);
  expect(await (await as('bert')).json()).toMatchObject({ turns: [{ turn: 'a' }] });
  expect(
    (await app.request(`${url}&x=1`, {}, { peer: { kind: 'device', name: 'bert' } })).status,
  ).toBe(400);
});

test('[CON8] so many bytes of a site are kept, and so long; the oldest go', async () => {
  const { send, idsFor, said, pass, table } = await world(600);
  await send('anna', said('b', 2), said('a', 1), said('c', 3), said('d', 4));
  expect(await idsFor('anna')).toEqual(['c', 'd']);
  // Bytes, and not signs.
  await send('cato', said('e', 1, { question: '深'.repeat(140) }));
  expect(await idsFor('cato')).toEqual([]);
  expect(await idsFor('anna')).toEqual(['c', 'd']);
  // Shown no more at once.
  pass(retentionMs + 4);
  expect(await idsFor('anna')).toEqual([]);
  await send('anna', said('old', -retentionMs), said('ahead', retentionMs));
  expect(await idsFor('anna')).toEqual([]);
  expect(unwrap(await table.count())).toBe(0);
});

test('[CON10] whoever has copies is told to forget them, and no name of what is gone is kept', async () => {
  const { send, idsFor, toldTo, said, gone, news, db, store } = await world();
  await send('anna', said('a', 1));
  await idsFor('bert');
  await send('cato', said('other', 1));
  const forget = gone({ what: 'turns', turns: ['a'] });
  await send('anna', forget);
  expect(await idsFor('bert')).toEqual([]);
  expect(await toldTo('bert')).toEqual([forget]);
  expect(await toldTo('anna')).toEqual([]);
  expect(await toldTo('cato')).toEqual([]);
  expect(news).toEqual(['bert']);
  const kept = [
    ...(await db.selectFrom('conversation_gone').selectAll().execute()),
    ...(await db.selectFrom('conversation_copy').selectAll().execute()),
  ];
  expect(JSON.stringify(kept)).not.toMatch(/ann"|shift-1/);
  for (const kind of ['turn', 'forget'] as const)
    expect(unwrap(await store.openOps(kind, 9))).toEqual([]);
});

test('[CON10] no byte of what is forgotten is left in the database or its log, whichever of the two came first', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-forget-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { send, said, gone, idsFor, clock } = await world(1e6, join(folder, 'coordinator.sqlite'));
  const holds = (word: string): boolean =>
    readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(word));
  const long = (word: string) => ({ question: `${word} `.repeat(700) });
  await send('anna', said('a', -1, long('Zanzibar')), said('b', 9, { question: 'Timbuktu?' }));
  expect(holds('Zanzibar')).toBe(true);
  await send('anna', gone({ what: 'until', atMs: clock.nowMs() }));
  expect(holds('Zanzibar')).toBe(false);
  await send('bert', said('late', -2, long('Samarkand')));
  expect(holds('Samarkand')).toBe(false);
  expect(holds('Timbuktu')).toBe(true);
  expect(await idsFor('anna')).toEqual(['b']);
});
