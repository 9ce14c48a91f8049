// Conversations over a database in a file, through the library's texts and the routes.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChatRequest } from '@skerry/models/openai';
import { createRandom, err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import type { Question } from '@skerry/sync-protocol';
import { expect, onTestFinished, test } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import {
  type ConversationBounds,
  createSqliteConversationStore,
} from '../adapters/sqlite-conversation-store.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteQuestionStore } from '../adapters/sqlite-question-store.ts';
import { conversationRoutes } from '../http/conversations.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { forgetConversations } from './conversations.ts';
import { eraseDocument } from './erase-document.ts';
import { forgetQuestions } from './forget-questions.ts';
import { createLateQuestions } from './late-questions.ts';
import { createLibrary } from './library.ts';
import { createLibraryText } from './library-text.ts';
import { shareConversations } from './share-conversations.ts';

const documents = {
  'pump.md': 'The pump of the cooling circuit is bled at the brass valve above the motor.',
  'intervals.md': 'The cooling circuit is bled every six months.',
  'safe.md': 'The quinquagesimal combination of the xylophonic safe is forty-two.',
};
const where = 'Where is the pump of the cooling circuit bled?';
const often = 'And every six months?';
const secret = 'What is the combination of the safe?';
const unknown = 'Who won the regatta in months of summer?';

async function world(bounds: Partial<ConversationBounds> = {}, says?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-talk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const embedder = createWordEmbedder(64, 0.8);
  const collections = createDirectCollections({ folder: join(folder, 'collections'), embedder });
  onTestFinished(() => collections.close());
  const clock = createVirtualClock(1_750_000_000_000);
  const common = { clock, random: createRandom(1), log: silentLog };
  const library = createLibrary({ collections, embedder, digestOf: sha256, ...common });
  for (const [uri, text] of Object.entries(documents)) {
    const digest = sha256(new TextEncoder().encode(text));
    unwrap(await library.add('manuals', { uri, title: uri, text, digest, trust: 1 }));
  }
  const up: Question[] = [];
  const withdrawn: Question[] = [];
  const open = () => {
    const database = unwrap(openDatabase(join(folder, 'agent.db')));
    onTestFinished(() => void database.close());
    const questions = createSqliteQuestionStore(database, { answersMax: 9 });
    const kept = createSqliteConversationStore(
      database,
      {
        ...{ conversationTurnsMax: 9, conversationBytesMax: 1e6, conversationRetentionMs: 1e9 },
        ...bounds,
      },
      clock.nowMs,
    );
    const conversations = shareConversations({
      ...{ store: kept, share: undefined, questions, ...common, linkUp: () => false },
      append: () => err(failure('internal', 'nothing is shared')),
      withdraw(isMeant) {
        withdrawn.push(...up.filter(isMeant));
        return ok(0);
      },
    });
    const late = createLateQuestions({
      ...{ library, store: questions, ...common, onSettled() {} },
      append(body, effect) {
        up.push(body);
        effect();
        return ok(undefined);
      },
    });
    const nobody = async () => err(failure('unavailable', 'link down'));
    const choices = [{ message: { role: 'assistant', content: says } }];
    const chat = says === undefined ? nobody : async () => ok({ completion: { choices } });
    const text = { name: 'nobody', list: async () => ok([]), chat, embed: nobody };
    const ports = { library, text, late, conversations, answerModel: 'big', requestsMax: 9 };
    const server = createLibraryText({ ...ports, ...common });
    const routes = conversationRoutes({ conversations, questions });
    const client = async (method: 'GET' | 'DELETE', path: string) => {
      const response = await routes.request(path, { method });
      const body = await response.json();
      return { status: response.status, body: body as { data: readonly object[] } };
    };
    return { database, questions, conversations, late, server, client };
  };
  const opened = open();
  const chat = (question: string, more: object = {}, { server } = opened) => {
    const messages = [{ role: 'user', content: question }];
    const request = { model: 'library', messages, ...more } as ChatRequest;
    return server.chat(request, { leftMs: 1_000 });
  };
  const ask = async (...args: Parameters<typeof chat>) => {
    const reply = unwrap(await chat(...args));
    return ('completion' in reply ? reply.completion : {}) as {
      choices: [{ message: { content: string } }];
      library: { asked?: string; pending?: string };
    };
  };
  const holds = (word: string): boolean =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .some((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(word));
  return { ...opened, reopen: open, chat, ask, holds, clock, collections, withdrawn };
}
const named = (conversation: string, user?: string) => ({
  metadata: { conversation },
  ...(user === undefined ? {} : { user }),
});
type Client = Awaited<ReturnType<typeof world>>['client'];
const textsOf = async (client: Client, id: string, user = '') => {
  const { body } = await client('GET', `/${id}/items?user=${user}`);
  return (body.data ?? []).map((item) => JSON.stringify(item));
};

test('[CON1] a conversation that is named is kept over restarts as OpenAI’s API has one, and nothing of one that is not', async () => {
  const { ask, chat, reopen, client, conversations } = await world();
  await ask(where);
  expect(conversations.list('')).toEqual([]);
  await ask(where, named('shift-1'));
  const again = reopen();
  const kept = await textsOf(again.client, 'shift-1');
  expect(kept).toHaveLength(2);
  expect(kept[0]).toContain(where);
  expect(kept[1]).toContain('brass valve');
  expect(kept[1]).toContain('"cited_text"');
  expect(await again.client('GET', '/shift-1')).toMatchObject({
    status: 200,
    body: { id: 'shift-1', object: 'conversation', created_at: 1_750_000_000 },
  });
  for (const metadata of [{ conversation: '../up' }, { conversation: 7 }, 'x'])
    expect(await chat(where, { metadata })).toMatchObject({ error: { code: 'invalid_argument' } });
  expect(await client('GET', '/shift-2')).toMatchObject({ status: 404 });
});

test('[CON2] a follow-up is searched with what it goes on from, kept or sent, and what was said is not said again', async () => {
  const { ask } = await world();
  expect((await ask(often)).library.asked).toBeUndefined();
  const first = await ask(where, named('a'));
  expect(first.choices[0].message.content).toContain('brass valve');
  const next = await ask(often, named('a'));
  expect(next.library.asked).toBe(`${where} ${often}`);
  expect(next.choices[0].message.content).toBe('The cooling circuit is bled every six months.');
  const third = await ask(often, named('a'));
  expect(third.choices[0].message.content).not.toContain('six months');
  const sent = [where, 'At the valve.', often].map((content, i) => ({
    role: i === 1 ? 'assistant' : 'user',
    content,
  }));
  expect((await ask(often, { messages: sent })).library.asked).toBe(`${where} ${often}`);
});

test('[CON3] a reader sees, goes on with and deletes no conversation but its own', async () => {
  const { ask, client } = await world();
  await ask(where, named('shift', 'ann'));
  await ask(secret, named('shift', 'bob'));
  expect((await ask(often, named('shift'))).library.asked).toBeUndefined();
  expect(await textsOf(client, 'shift', 'ann')).toHaveLength(2);
  expect((await textsOf(client, 'shift', 'bob')).join()).not.toContain('pump');
  expect(await client('DELETE', '/shift?user=cy')).toMatchObject({ status: 404 });
  await client('DELETE', '/shift?user=bob');
  expect(await textsOf(client, 'shift', 'bob')).toEqual([]);
  expect(await textsOf(client, 'shift', 'ann')).toHaveLength(2);
});

test('[CON4] keeps so many turns, so many bytes and so long, and lets the oldest go', async () => {
  const turns = await world({ conversationTurnsMax: 2 });
  for (const question of [where, often, secret]) await turns.ask(question, named('a'));
  expect(turns.conversations.list('')).toMatchObject([{ id: 'a', turns: 2 }]);
  expect((await textsOf(turns.client, 'a'))[0]).toContain(often);
  const idsOf = (texts: readonly string[]) => texts.map((text) => JSON.parse(text).id as string);
  const before = idsOf(await textsOf(turns.client, 'a'));
  await turns.ask(where, named('a'));
  const after = idsOf(await textsOf(turns.client, 'a'));
  expect(after.slice(0, 2)).toEqual(before.slice(2));
  expect(new Set([...before, ...after]).size).toBe(6);
  const bytes = await world({ conversationBytesMax: 2_000 });
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) await bytes.ask(where, named(id));
  const kept = bytes.conversations.list('').map(({ id }) => id);
  expect(kept[0]).toBe('h');
  expect(kept).not.toContain('a');
  const age = await world({ conversationRetentionMs: 1_000 });
  await age.ask(where, named('a'));
  age.clock.after(1_001, () => undefined);
  age.clock.runNext(Number.POSITIVE_INFINITY);
  expect(age.conversations.list('')).toEqual([]);
  expect(age.conversations.turns({ reader: '', id: 'a' }, 9)).toEqual([]);
  age.reopen();
  expect(age.database.prepare('SELECT count(*) AS n FROM conversation_turn').get()).toEqual({
    n: 0,
  });
});

test('[CON5] a late answer takes its place in its conversation', async () => {
  const { ask, late, client } = await world();
  const { library } = await ask(unknown, named('a'));
  expect((await textsOf(client, 'a'))[1]).toContain('in_progress');
  const outcome = {
    kind: 'said' as const,
    text: 'The cooling circuit is bled every six months [1]. The cooling circuit is bled every six months [2].',
    model: 'big',
  };
  late.record({ kind: 'said', requestId: library.pending as string, outcome });
  await late.check();
  const [, said = ''] = await textsOf(client, 'a');
  expect(JSON.parse(said)).toMatchObject({ status: 'completed', source: 'big' });
  expect(said).toContain('six months');
});

test('[CON6] goes with all its bytes when it is deleted, and turns that quote a document go with that', async () => {
  const { ask, client, holds, collections, conversations, questions, clock } = await world();
  await ask(`${where} Zanzibar!`, named('a'));
  expect(holds('Zanzibar')).toBe(true);
  expect((await client('DELETE', '/a')).body).toEqual({
    ...{ id: 'a', object: 'conversation.deleted', deleted: true },
  });
  expect(holds('Zanzibar')).toBe(false);
  await ask(where, named('b'));
  await ask(secret, named('b'));
  await ask(`${secret} Nessuno lo sa di Timbuktu`, named('b'));
  expect(holds('quinquagesimal')).toBe(true);
  const quoting = [forgetConversations(conversations), forgetQuestions(questions)];
  const ports = { collections, quoting, nowMs: clock.nowMs };
  const certificate = unwrap(await eraseDocument(ports, 'manuals', 'safe.md'));
  expect(certificate?.stores).toContainEqual({
    ...{ store: 'conversations', state: 'erased', count: 2 },
  });
  for (const word of ['quinquagesim', 'xylophon', 'Timbuktu']) expect(holds(word)).toBe(false);
  expect((await textsOf(client, 'b')).join()).toContain('brass valve');
});

test('[CON6] what was asked later for a conversation goes with it, and leaves the outbox', async () => {
  const { ask, client, holds, questions, withdrawn } = await world();
  await ask(`${unknown} Samarkand!`, named('b'));
  const { library } = await ask(`${unknown} Zanzibar!`, named('a'));
  const pending = library.pending as string;
  expect(questions.get(pending)).toBeDefined();
  await client('DELETE', '/a');
  expect(questions.get(pending)).toBeUndefined();
  expect(withdrawn).toMatchObject([{ kind: 'question', requestId: pending }]);
  expect(holds('Zanzibar')).toBe(false);
  expect(holds('Samarkand')).toBe(true);
});

test('[CON6] what another has said goes with each document that it had in hand, whether it cites it or not', async () => {
  const bled = 'The cooling circuit is bled every six months';
  const says = `${bled} [1]. ${bled} [2]. ${bled} [3]. Some safe of Timbuktu is open.`;
  const { ask, holds, collections, conversations, clock } = await world({}, says);
  await ask(unknown, named('a'));
  const [turn] = conversations.turns({ reader: '', id: 'a' }, 9);
  expect(turn?.said.citations.map(({ uri }) => uri)).not.toContain('safe.md');
  expect(turn?.said.unverified).toContain('Some safe of Timbuktu is open.');
  const quoting = [forgetConversations(conversations)];
  const ports = { collections, quoting, nowMs: clock.nowMs };
  unwrap(await eraseDocument(ports, 'manuals', 'safe.md'));
  expect(conversations.turns({ reader: '', id: 'a' }, 9)).toEqual([]);
  expect(holds('Timbuktu')).toBe(false);
});
