import { silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createTally } from '../observe/tally.ts';
import { type CachedLibraryOptions, openTestLibrary } from '../testing/cached-library.ts';
import { cacheRoutes } from './caches.ts';

const text = 'The pump holds four litres of oil.';
const question = 'How much oil does the pump hold?';
const pushed = {
  ...{ question, text, source: 'big' },
  citations: [
    {
      ...{ uri: 'pump.md', digest: sha256(new TextEncoder().encode(text)), text },
      ...{ start: 0, end: text.length },
    },
  ],
};

async function open(options: CachedLibraryOptions = {}) {
  const world = await openTestLibrary({ log: silentLog, ...options });
  onTestFinished(world.close);
  await world.add('pump.md', text);
  const app = cacheRoutes({ ...world, answers: world.cache });
  const call = async (method: string, path: string, body?: object) => {
    const asked = { method, ...(body && { body: JSON.stringify(body) }) };
    const response = await app.request(path, asked);
    return { status: response.status, body: await response.json().catch(() => undefined) };
  };
  const look = (asked = question) =>
    world.cache.look({
      ...{ question: asked, collections: ['manuals'], reader: { principals: [] } },
      answerModel: undefined,
    });
  return { ...world, call, look };
}

it('[CAC12] shows what is remembered and how often it serves, and forgets all of it', async () => {
  const semantic = { similarityMin: 0.9, judgedShare: 0.05, wrongShareMax: 0.01 };
  const { call, look, cache, vectors } = await open({ semantic });
  expect(await call('PUT', '/collections/manuals/precomputed', { answers: [pushed] })).toEqual({
    status: 200,
    body: { kept: 1, refused: [] },
  });
  await look();
  await look('Where is the winch?');
  expect(await call('GET', '/caches')).toMatchObject({
    status: 200,
    body: {
      answers: {
        ...{ asked: 0, pushed: 1, ttlMs: 60_000 },
        served: { exact: 0, precomputed: 1, semantic: 0, missed: 1 },
        semantic: { ...semantic, hits: 0, judged: 0, wrong: 0, share: 0, lower: 0, upper: 1 },
      },
      vectors: { entriesMax: 100 },
    },
  });
  const gauges = {
    queueOps: () => 0,
    queueBytes: () => 0,
    waitingForModel: () => 0,
    waitingForCloud: () => 0,
    linkUp: () => true,
  };
  const metrics = await createTally(
    gauges,
    { after: () => ({ cancel() {} }) },
    {
      answers: cache,
      vectors,
    },
  ).metrics();
  for (const line of [
    'skerry_library_answers_total{cache="precomputed"} 1',
    'skerry_library_answers_total{cache="missed"} 1',
    'skerry_cache_entries{cache="pushed"} 1',
    'skerry_semantic_wrong_share{bound="upper"} 1',
    'skerry_semantic_enabled 1',
  ])
    expect(metrics).toContain(line);
  expect(await call('DELETE', '/caches')).toMatchObject({ status: 204 });
  expect((await look()).recall).toBeUndefined();
});

it('[CAC12] refuses answers that are none, and tells where the collection is not there', async () => {
  const { call } = await open();
  const put = (name: string, body: object) =>
    call('PUT', `/collections/${name}/precomputed`, body).then(({ status }) => status);
  expect(await put('none', { answers: [pushed] })).toBe(404);
  expect(await put('no name', { answers: [pushed] })).toBe(400);
  expect(await put('manuals', { answers: [{ ...pushed, citations: [] }] })).toBe(400);
  expect(await put('manuals', { answers: [{ ...pushed, more: 1 }] })).toBe(400);
});

it('[CAC9] tells which questions are asked most by digests alone, or in words where that is configured', async () => {
  for (const questionTexts of [false, true]) {
    const { call, look, precomputed } = await open({ questionTexts });
    unwrap(await precomputed.replace('manuals', [pushed]));
    for (const each of [question, 'Where is the winch?', question.toUpperCase()]) await look(each);
    const { body } = await call('GET', '/caches/questions?count=1');
    const digest = expect.stringMatching(/^sha256:[\da-f]{64}$/);
    expect(body).toEqual({
      questions: [{ digest, count: 2, ...(questionTexts && { question }) }],
    });
    expect((await call('GET', '/caches/questions?count=0')).status).toBe(400);
  }
});
