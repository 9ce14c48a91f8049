import { err, failure, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../../adapters/direct-collections.ts';
import { openDatabase } from '../../adapters/sqlite-database.ts';
import { createSqliteSourceStore } from '../../adapters/sqlite-source-store.ts';
import { createLibrary } from '../library.ts';
import { librarySourcesSchema, type TopicSource } from './source-config.ts';
import { createTakeIn } from './take-in.ts';
import { startTopic, type TopicPort } from './topic-source.ts';
// Loaded with the first document that is read: a virtual clock would not wait for it.
import '../read/language-of.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

function openTopic(more: object = {}, database = unwrap(openDatabase(':memory:'))) {
  const clock = createVirtualClock();
  const collections = createDirectCollections({ folder: ':memory:' });
  const library = createLibrary({ collections, digestOf: sha256, clock, log: silentLog });
  const store = createSqliteSourceStore(database);
  const [source] = librarySourcesSchema.parse([
    {
      kind: 'mqtt',
      name: 'line',
      broker: 'mqtt://127.0.0.1',
      topic: 'docs/#',
      collection: 'manuals',
      ...more,
    },
  ]);
  let on: Parameters<TopicPort['open']>[0] | undefined;
  const takeIn = createTakeIn(source as TopicSource, {
    library,
    readInThread: async (kind) => {
      if (kind === 'pdf') throw new Error('a bug');
      return err(failure('overloaded', 'many documents wait to be read'));
    },
    quoting: [],
    store,
    digestOf: sha256,
    clock,
  });
  const running = startTopic(source as TopicSource, {
    topic: {
      open(given) {
        on = given;
        return { close: async () => {} };
      },
    },
    takeIn,
    store,
    digestOf: sha256,
    clock,
    log: silentLog,
  });
  onTestFinished(async () => {
    await running.close();
    await collections.close();
  });
  on?.connection(true);
  const publish = (message: unknown) =>
    on?.message(
      new TextEncoder().encode(typeof message === 'string' ? message : JSON.stringify(message)),
    );
  const uris = async (): Promise<readonly string[]> => {
    await settled();
    const thread = await collections.open('manuals');
    if (!thread.ok) return [];
    return unwrap(await thread.value.list({ principals: 'all' })).map(({ uri }) => uri);
  };
  return { publish, uris, running, store, database, collections, clock, on: () => on };
}

it('[LIB46] takes in what is published, anew once it differs, and takes out what is said to be gone', async () => {
  const { publish, uris, collections } = openTopic();
  const winch = { key: 'winch', title: 'Winch', content: 'The winch pulls four tonnes.' };
  publish(winch);
  publish(winch);
  publish({ key: 'pump', content: btoa('The pump is bled.'), encoding: 'base64' });
  expect(await uris()).toEqual(['line/pump', 'line/winch']);
  publish({ ...winch, content: 'The winch pulls five tonnes.' });
  await uris();
  const thread = unwrap(await collections.open('manuals'));
  expect(unwrap(await thread.find('line/winch'))).toMatchObject({ version: 2, title: 'Winch' });
  publish({ key: 'winch', removed: true });
  publish({ key: 'never there', removed: true });
  expect(await uris()).toEqual(['line/pump']);
});

it('[LIB46] puts aside what is no document, with the reason, and keeps so many of these', async () => {
  const { publish, uris, running, store } = openTopic({ messageBytesMax: 100 });
  publish('no json');
  publish({ key: 'a\u0000b', content: 'x' });
  publish({ key: 'a', content: 'x', topping: 1 });
  publish({ key: 'b', content: '%', encoding: 'base64' });
  publish({ key: 'c', content: 'x'.repeat(100) });
  publish({ key: 'd', content: 'x', mediaType: 'image/png' });
  publish({ key: 'pump', content: 'The pump is bled.' });
  expect(await uris()).toEqual(['line/pump']);
  const reasons = store.refused('line', 10).map(({ reason }) => reason ?? '');
  expect(reasons).toHaveLength(6);
  expect(reasons.some((reason) => reason.includes('at most 100'))).toBe(true);
  expect(store.refused('line', 10).map(({ key }) => key)).toContain('d');
  expect(running.state()).toMatchObject({ state: 'waiting', dropped: 0 });
  store.trim('line', 0);
  expect(store.counts('line').refused).toBeLessThanOrEqual(6);
});

it('[LIB46] bounds what waits, counts what it drops, and says that its broker is away', async () => {
  const { publish, uris, running, on } = openTopic({ waitingMax: 3 });
  for (let i = 0; i < 10; i++) publish({ key: `${i}`, content: 'The pump is bled.' });
  expect(await uris()).toEqual(['line/0', 'line/1', 'line/2']);
  expect(running.state().dropped).toBe(7);
  publish({ key: 'there is room again', content: 'The pump is bled.' });
  expect(await uris()).toHaveLength(4);
  const bytes = openTopic({ waitingBytesMax: 100 });
  for (const key of ['a', 'b'])
    bytes.publish({ key, content: 'The pump is bled twice a year now.' });
  expect(await bytes.uris()).toEqual(['line/a']);
  on()?.connection(false);
  expect(running.state()).toMatchObject({ state: 'away' });
  // What may be tried again is kept, and what came behind it waits.
  const stuck = openTopic();
  stuck.publish({ key: 'table', mediaType: 'text/csv', content: 'a,b' });
  stuck.publish({ key: 'pump', content: 'The pump is bled.' });
  expect(await stuck.uris()).toEqual([]);
  expect(stuck.running.state().reason).toMatch(/wait to be read/);
  expect(stuck.store.counts('line')).toEqual({ taken: 0, refused: 0 });
});

it('[LIB57] what was acknowledged is taken in after a stop, and once', async () => {
  const before = openTopic();
  before.publish({ key: 'table', mediaType: 'text/csv', content: 'a,b' });
  before.publish({ key: 'pump', content: 'The pump is bled.' });
  expect(await before.uris()).toEqual([]);
  expect(before.store.inbox.waiting('line').messages).toBe(2);
  await before.running.close();
  const { store, uris } = openTopic({}, before.database);
  const [first] = [store.inbox.oldest('line')];
  unwrap(store.inbox.dealtWith(first?.id ?? 0));
  const again = openTopic({}, before.database);
  expect(await again.uris()).toEqual(['line/pump']);
  expect(await uris()).toEqual([]);
  expect(store.inbox.waiting('line')).toEqual({ messages: 0, bytes: 0 });
  unwrap(store.inbox.receive('former', new Uint8Array(9)));
  unwrap(store.inbox.keepOf(['line']));
  expect(store.inbox.waiting('former').messages).toBe(0);
});

it('[LIB57] what a bug stumbles over is put aside, and what comes behind it is taken in', async () => {
  const { publish, uris, store } = openTopic();
  publish({ key: 'bad', mediaType: 'application/pdf', content: '%PDF-1.7' });
  publish({ key: 'pump', content: 'The pump is bled.' });
  expect(await uris()).toEqual(['line/pump']);
  expect(store.refused('line', 9)).toMatchObject([{ reason: 'a bug' }]);
  expect(store.inbox.waiting('line').messages).toBe(0);
});

it('[LIB57] brings so many documents, says why it takes no more, and takes them when there is room', async () => {
  const { publish, uris, store } = openTopic({ keysMax: 2 });
  const say = (key: string, content = key) => publish({ key, content: `The ${content} is bled.` });
  for (const key of ['pump', 'winch', 'crane']) say(key);
  say('pump', 'pump again');
  expect(await uris()).toEqual(['line/pump', 'line/winch']);
  expect(store.refused('line', 9)).toMatchObject([
    { key: 'crane', reason: '2 documents are there; at most 2' },
  ]);
  say('crane', 'crane again');
  expect(await uris()).toEqual(['line/pump', 'line/winch']);
  publish({ key: 'winch', removed: true });
  say('crane');
  expect(await uris()).toEqual(['line/crane', 'line/pump']);
});
