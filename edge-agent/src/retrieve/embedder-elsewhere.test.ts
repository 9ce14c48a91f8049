import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { servedEmbedderModel } from '@skerry/models/embedding';
import type { EmbeddingsReply, EmbeddingsRequest } from '@skerry/models/openai';
import { createRandom, err, failure, ok, type Result, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { askLibrary } from './ask.ts';
import { createEmbedderElsewhere, type ElsewherePorts } from './embedder-elsewhere.ts';
import { startVectorFilling } from './fill-vectors.ts';
import { createLibrary } from './library.ts';

const reader = { principals: [] };
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A coordinator that embeds words, and may be away, or have changed its embedder. */
function createCoordinator() {
  const embedder = createWordEmbedder();
  const coordinator = {
    embedder,
    away: false,
    digest: embedder.digest,
    asked: 0,
    async embed({ model, input }: EmbeddingsRequest): Promise<Result<EmbeddingsReply>> {
      coordinator.asked += 1;
      if (coordinator.away) return err(failure('unavailable', 'no link'));
      expect(model).toBe(servedEmbedderModel);
      const { dimensions, tokensMax, answers } = embedder;
      const vectors = unwrap(await embedder.embed(input as string[]));
      return ok({
        embeddings: {
          embedder: { name: 'words', digest: coordinator.digest, dimensions, tokensMax, answers },
          data: (input as string[]).map((_, i) => ({
            embedding: [...vectors.slice(i * dimensions, (i + 1) * dimensions)],
          })),
        },
      });
    },
  };
  return coordinator;
}

function openDevice(
  coordinator: ReturnType<typeof createCoordinator>,
  more: Partial<ElsewherePorts> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-elsewhere-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const clock = createVirtualClock();
  const collections = createDirectCollections({ folder });
  const elsewhere = createEmbedderElsewhere({
    server: coordinator,
    remembered: undefined,
    onKnown: (served) => collections.embedBy(served),
    clock,
    ...more,
  });
  const filling = startVectorFilling({
    elsewhere,
    collections,
    digestOf: sha256,
    clock,
    random: createRandom(1),
    log: silentLog,
  });
  onTestFinished(async () => {
    await filling.close();
    await collections.close();
  });
  const library = createLibrary({
    collections,
    get embedder() {
      return elsewhere.current();
    },
    onMissing: filling.wake,
    digestOf: sha256,
    clock,
    log: silentLog,
  });
  const add = async (uri: string, text: string) =>
    unwrap(
      await library.add('manuals', {
        uri,
        title: uri,
        text,
        digest: sha256(new TextEncoder().encode(text)),
        trust: 1,
      }),
    );
  const search = async (text: string) =>
    unwrap(await library.search({ collections: ['manuals'], text, count: 3, reader }));
  const thread = async () => unwrap(await collections.open('manuals'));
  const missing = async () => unwrap(await (await thread()).countMissing());
  const advance = async (ms: number) => {
    const untilMs = clock.monotonicMs() + ms;
    do await settled();
    while (clock.runNext(untilMs));
  };
  return { advance, library, elsewhere, filling, add, search, thread, missing, collections };
}

it('[LIB40] takes in and answers by words while the embedder is away, and has all vectors once it is back', async () => {
  const coordinator = createCoordinator();
  coordinator.away = true;
  const { advance, library, filling, add, search, missing } = openDevice(coordinator);
  await advance(1);
  for (let i = 0; i < 40; i++) await add(`${i}.md`, `The winch number ${i} pulls ${i} tonnes.`);
  expect(await search('winch 7')).toMatchObject({ mode: 'words', snapshots: ['manuals@40'] });
  const question = { question: 'How many tonnes pulls winch 7?', collections: ['manuals'], reader };
  expect(unwrap(await askLibrary(library, question))).toMatchObject({ mode: 'words' });
  expect(filling.state()).toMatchObject({ state: 'away', reason: 'no link' });
  expect(filling.state().retryInMs).toBeGreaterThan(0);
  expect(await missing()).toBe(40);
  coordinator.away = false;
  await advance(120_000);
  expect(await missing()).toBe(0);
  expect(filling.state()).toEqual({ state: 'ready', digest: coordinator.digest });
  const found = await search('winch 7');
  expect(found).toMatchObject({ mode: 'hybrid', engine: 'memory' });
  expect(found.found[0]?.similarity).toBeGreaterThan(0.5);
  // What is there is asked for no more, and what comes now has its vectors at once.
  const { asked } = coordinator;
  expect(await add('7.md', 'The winch number 7 pulls 7 tonnes.')).toMatchObject({
    unchanged: true,
  });
  expect(coordinator.asked).toBe(asked);
  expect(await add('pump.md', 'The pump is bled.')).toMatchObject({ embedded: 1 });
});

it('[LIB40] goes on by words where the link goes away again, waits for nobody twice, and takes the same bytes once', async () => {
  const coordinator = createCoordinator();
  const { advance, library, filling, add, search, missing } = openDevice(coordinator);
  await advance(1);
  await add('winch.md', 'The winch pulls four tonnes with two layers of rope.');
  coordinator.away = true;
  expect(await search('four tonnes')).toMatchObject({ mode: 'words' });
  const { asked } = coordinator;
  const question = { question: 'What does the winch pull?', collections: ['manuals'], reader };
  expect(unwrap(await askLibrary(library, question))).toMatchObject({ mode: 'words' });
  const first = await add('pump.md', 'The pump is bled at the brass valve.');
  const second = await add('pump.md', 'The pump is bled at the brass valve.');
  expect(coordinator.asked).toBe(asked);
  expect(first.document).toMatchObject({ version: 1, passages: 1, vectors: 0 });
  expect(second).toMatchObject({ unchanged: true, document: { version: 1 } });
  coordinator.away = false;
  await advance(120_000);
  expect(await missing()).toBe(0);
  expect(filling.state().state).toBe('ready');
});

it('[LIB40] makes no vector of what was deleted meanwhile, nor a second one', async () => {
  const coordinator = createCoordinator();
  coordinator.away = true;
  const { advance, add, thread, elsewhere } = openDevice(coordinator);
  await add('a.md', 'The winch pulls four tonnes.');
  await add('b.md', 'The pump is bled.');
  coordinator.away = false;
  await advance(60_000);
  const file = await thread();
  const embedder = unwrap(await elsewhere.find());
  const vector = unwrap(await embedder.embed(['other']));
  const put = [1, 2, 99].map((passage) => ({ passage, textDigest: 'x', vector }));
  expect(unwrap(await file.putVectors(put))).toBe(0);
  expect(unwrap(await file.stats())).toMatchObject({ vectors: 2, embedder: coordinator.digest });
  unwrap(await file.remove('a.md'));
  expect(unwrap(await file.putVectors(put))).toBe(0);
});

it('[LIB41] takes no vectors of another embedder than the first, nor of one that does not say who it is', async () => {
  const coordinator = createCoordinator();
  const { advance, add, search, filling, missing } = openDevice(coordinator);
  await advance(1);
  await add('winch.md', 'The winch pulls four tonnes.');
  coordinator.digest = `sha256:${'f'.repeat(64)}`;
  expect(await search('winch')).toMatchObject({ mode: 'words' });
  expect(filling.state()).toMatchObject({ state: 'refused' });
  expect(filling.state().reason).toContain(coordinator.digest);
  await add('pump.md', 'The pump is bled.');
  await advance(120_000);
  expect(await missing()).toBe(1);
  const stranger = openDevice(createCoordinator(), { wanted: `sha256:${'a'.repeat(64)}` });
  await stranger.advance(1);
  expect(stranger.elsewhere.current()).toBeUndefined();
  const silent = openDevice({
    ...coordinator,
    embed: async () => ok({ embeddings: { data: [] } }),
  });
  await silent.advance(1);
  expect(silent.filling.state()).toMatchObject({ state: 'refused' });
});
