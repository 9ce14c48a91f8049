import { silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { createLibrary } from '../retrieve/library.ts';
import { bringsDocument } from '../retrieve/sources/source-config.ts';
import { type CollectionRoutes, collectionRoutes } from './collections.ts';

function openRoutes(taking?: CollectionRoutes['taking']) {
  const collections = createDirectCollections({ folder: ':memory:' });
  onTestFinished(() => collections.close());
  const library = createLibrary({
    collections,
    digestOf: sha256,
    clock: createVirtualClock(),
    log: silentLog,
  });
  const app = collectionRoutes({
    library,
    digestOf: sha256,
    readInThread: () => {
      throw new Error('no thread reads a text');
    },
    ...{ quoting: [], taking, nowMs: () => 0 },
  });
  const put = async (query: Record<string, string>, text = 'The winch pulls four tonnes.') =>
    app.request(`/collections/manuals/documents?${new URLSearchParams(query)}`, {
      method: 'PUT',
      headers: { 'content-type': 'text/plain' },
      body: text,
    });
  const search = async (body: object) =>
    app.request('/search', { method: 'POST', body: JSON.stringify(body) });
  return { collections, app, put, search };
}

it('[LIB6] takes readers with blanks about their names, and a narrower list of the same bytes at once', async () => {
  const { put, search } = openRoutes();
  const found = async (...principals: string[]): Promise<number> =>
    ((await (await search({ query: 'winch', principals })).json()) as { found: [] }).found.length;
  expect((await put({ uri: 'winch.txt' })).status).toBe(201);
  expect(await found()).toBe(1);
  expect((await put({ uri: 'winch.txt', readers: 'crew, owner' })).status).toBe(201);
  expect([await found(), await found('owner'), await found('crew')]).toEqual([0, 1, 1]);
  expect((await put({ uri: 'winch.txt', readers: 'owner,crew' })).status).toBe(200);
  expect((await put({ uri: 'winch.txt', readers: 'owner,' })).status).toBe(400);
});

it('[LIB6] lists what the principals that are named may read, and else what everybody may', async () => {
  const { app, put } = openRoutes();
  await put({ uri: 'winch.txt' });
  await put({ uri: 'safe.txt', readers: 'crew,owner' });
  const list = (query: string) => app.request(`/collections/manuals/documents${query}`);
  const listed = async (query: string) => {
    const { documents } = (await (await list(query)).json()) as { documents: { uri: string }[] };
    return documents.map(({ uri }) => uri);
  };
  expect(await listed('')).toEqual(['winch.txt']);
  expect(await listed('?principals=guest')).toEqual(['winch.txt']);
  expect(await listed('?principals=guest,%20owner')).toEqual(['safe.txt', 'winch.txt']);
  expect((await list(`?principals=${'x'.repeat(129)}`)).status).toBe(400);
});

it('[LIB6] counts of a collection what the principals that are named may read', async () => {
  const { app, put } = openRoutes();
  await put({ uri: 'winch.txt' });
  await put({ uri: 'safe.txt', readers: 'crew,owner' });
  await put({ uri: 'safe.txt', readers: 'owner' });
  const counted = async (query: string) => {
    const { collections } = (await (await app.request(`/collections${query}`)).json()) as {
      collections: { documents: number; passages: number }[];
    };
    return collections.map(({ documents, passages }) => [documents, passages]);
  };
  expect(await counted('')).toEqual([[1, 1]]);
  expect(await counted('?principals=crew')).toEqual([[1, 1]]);
  expect(await counted('?principals=owner,crew')).toEqual([[2, 2]]);
  expect((await app.request(`/collections?principals=${'x'.repeat(129)}`)).status).toBe(400);
});

it('[LIB26] refuses meta that is not written as a query, and keeps none of it silently away', async () => {
  const { put, search } = openRoutes();
  for (const meta of ['site', '=north', 'site=north&site=south', 'site=%zz', 'site=north&', ''])
    expect([meta, (await put({ uri: 'winch.txt', meta })).status]).toEqual([meta, 400]);
  expect((await put({ uri: 'winch.txt', meta: 'site=north+quay&kind=a%26b' })).status).toBe(201);
  const filter = { meta: { site: 'north quay', kind: 'a&b' } };
  expect(await (await search({ query: 'winch', filter })).json()).toMatchObject({
    found: [{ passage: { uri: 'winch.txt' } }],
  });
});

it('[LIB27] looks only into collections that are there, and makes none', async () => {
  const { collections, app, search } = openRoutes();
  expect((await search({ query: 'winch', collections: ['nowhere'] })).status).toBe(404);
  for (const method of ['GET', 'DELETE'])
    expect((await app.request('/collections/nowhere/documents?uri=a', { method })).status).toBe(
      404,
    );
  expect(await collections.list()).toEqual({ ok: true, value: [] });
});

it('[LIB61] believes nobody that a document is of a source', async () => {
  const { put, search } = openRoutes();
  expect((await put({ uri: 'winch.txt', meta: 'kind=manual' })).status).toBe(201);
  const claimed = await put({ uri: 'poison.txt', meta: 'kind=manual&source=share' });
  expect(claimed.status).toBe(400);
  expect(await claimed.text()).toContain('source: what takes in by itself says that');
  const { found } = (await (await search({ query: 'winch' })).json()) as { found: object[] };
  expect(found).toMatchObject([{ passage: { uri: 'winch.txt' } }]);
});

it('[LIB61] puts nothing in the place of a source’s document', async () => {
  const sources = [
    { name: 'share', collection: 'manuals' },
    { name: 'line', collection: 'others' },
  ];
  const owns = (collection: string, uri: string) => bringsDocument(sources, collection, uri);
  const { put, app } = openRoutes({ describe: () => [], owns });
  const refused = await put({ uri: 'share/winch.txt' });
  expect(refused.status).toBe(403);
  expect(await refused.text()).toContain('a source brings that');
  for (const uri of ['winch.txt', 'shared/winch.txt', 'line/winch.txt'])
    expect((await put({ uri })).status).toBe(201);
  const { documents } = (await (await app.request('/collections/manuals/documents')).json()) as {
    documents: object[];
  };
  expect(documents).toHaveLength(3);
});
