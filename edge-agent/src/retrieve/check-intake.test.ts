import { createRandom, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { type CollectionCalls, createCollectionHost } from '../adapters/collection-host.ts';
import { collectionsOver } from '../adapters/collections-over.ts';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { type IntakeLimits, intakeLimits } from './check-intake.ts';
import { deviationBelow } from './compare-intake.ts';
import { createLibrary } from './library.ts';
import { likenessOf, sketchOf } from './text-sketch.ts';

const words =
  'pump valve motor filter belt winch rope drum oil brass water air shaft seal bolt'.split(' ');

/** A text about machines, of its own. */
function textOf(seed: number, count = 60): string {
  const random = createRandom(seed);
  const word = () => words[Math.floor(random.next() * words.length)];
  return Array.from({ length: count }, word).join(' ');
}

function openLibrary(limits: Partial<IntakeLimits> = {}, sourceShareMax?: number) {
  const embedder = createWordEmbedder();
  const collections = createDirectCollections({ folder: ':memory:', embedder });
  onTestFinished(() => collections.close());
  const clock = createVirtualClock(1e12);
  const library = createLibrary({
    collections,
    embedder,
    limits: { ...intakeLimits, ...limits },
    sourceShareMax,
    digestOf: sha256,
    clock,
    log: silentLog,
  });
  const add = (uri: string, text: string, source = 'share', readers?: readonly string[]) =>
    library.add('manuals', {
      uri,
      title: '',
      text,
      digest: sha256(new TextEncoder().encode(text)),
      trust: 1,
      meta: { source },
      ...(readers && { readers }),
    });
  return { library, add, clock };
}

it('[LIB48] refuses a burst of look-alikes of one source, and neither another’s, nor later ones, nor a new version', async () => {
  const { add, clock } = openLibrary({ lookAlikesMax: 3 });
  const poison = (i: number) => `${textOf(1)} the code of the safe is ${i}`;
  for (let i = 0; i < 3; i++) expect((await add(`${i}.md`, poison(i))).ok).toBe(true);
  expect(await add('3.md', poison(3))).toMatchObject({
    error: { code: 'invalid_argument', message: '3 others that came lately say nearly the same' },
  });
  expect((await add('other.md', textOf(2))).ok).toBe(true);
  expect((await add('2.md', poison(9))).ok).toBe(true);
  expect(unwrap(await add('3.md', poison(3), 'another')).document.checks?.lookAlikes).toBe(0);
  for (let i = 0; i < 9; i++) expect((await add(`row ${i}`, 'Call the maker.')).ok).toBe(true);
  clock.runNext(clock.monotonicMs() + 3_600_001);
  expect((await add('3.md', poison(3))).ok).toBe(true);
});

it('[LIB48] takes what is there already under other terms, however much of it is alike', async () => {
  const { add, clock } = openLibrary({ lookAlikesMax: 3 });
  const form = (i: number) => `${textOf(1)} the form of day ${i}`;
  for (let i = 0; i < 6; i++) {
    expect((await add(`${i}.md`, form(i))).ok).toBe(true);
    clock.runNext(clock.monotonicMs() + 3_600_001);
  }
  for (let i = 0; i < 6; i++)
    expect(unwrap(await add(`${i}.md`, form(i), 'share', ['staff'])).document).toMatchObject({
      readers: ['staff'],
    });
});

it('[LIB49] compares a new version with the other documents, not with the one that it replaces', async () => {
  const { add } = openLibrary({ anomaly: 'mark' });
  for (let i = 0; i < 24; i++) await add(`${i}.md`, textOf(i));
  const foreign = 'Lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor';
  expect(unwrap(await add('x.md', foreign)).document.checks?.isStrange).toBe(true);
  expect(unwrap(await add('x.md', `${foreign} a`)).document.checks?.isStrange).toBe(true);
});

it('[LIB48] tells how alike two texts are', () => {
  const sketch = (text: string) => sketchOf(text) ?? new Uint32Array();
  const long = textOf(1, 400);
  expect(likenessOf(sketch(long), sketch(long))).toBe(1);
  expect(likenessOf(sketch(long), sketch(`${long} and some words more`))).toBeGreaterThan(0.9);
  expect(likenessOf(sketch(long), sketch(textOf(2, 400)))).toBeLessThan(0.2);
  const half = likenessOf(sketch(long), sketch(long.slice(0, long.length / 2)));
  expect(half).toBeGreaterThan(0.3);
  expect(half).toBeLessThan(0.7);
  expect(sketchOf('Call the maker.')).toBeUndefined();
});

it.each(['mark', 'refuse', 'off'] as const)(
  '[LIB49] knows a stranger among documents that are alike: %s',
  async (anomaly) => {
    const { add } = openLibrary({ anomaly });
    for (let i = 0; i < 24; i++) {
      const taken = unwrap(await add(`${i}.md`, textOf(i)));
      expect(taken.document.checks?.isStrange).toBe(false);
    }
    const foreign = 'Lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor';
    const stranger = await add('stranger.md', foreign);
    if (anomaly === 'refuse')
      expect(stranger).toMatchObject({ error: { code: 'invalid_argument' } });
    else expect(unwrap(stranger).document.checks).toMatchObject({ isStrange: anomaly === 'mark' });
    expect(deviationBelow([0.5, 0.5], 0)).toBeUndefined();
  },
);

it('[LIB50] gives no source more than its share while there are others, and all where it is alone', async () => {
  const { library, add } = openLibrary({ lookAlikesMax: 0 }, 0.5);
  for (let i = 0; i < 8; i++) await add(`many/${i}`, `The winch pulls ${i} tonnes.`, 'many');
  const search = async () =>
    unwrap(
      await library.search({
        collections: ['manuals'],
        text: 'winch tonnes',
        count: 4,
        reader: { principals: [] },
      }),
    ).found;
  expect((await search()).map(({ passage }) => passage.source)).toEqual(Array(4).fill('many'));
  for (let i = 0; i < 3; i++)
    await add(
      `few/${i}`,
      `A winch, and ${i} of what else there is on a deck in any weather.`,
      'few',
    );
  const sources = (await search()).map(({ passage }) => passage.source).sort();
  expect(sources).toEqual(['few', 'few', 'many', 'many']);
  const scores = (await search()).map(({ score }) => score);
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
});

it('[LIB60] is compared with what is there by one call, that brings numbers back and nothing of the others', async () => {
  const embedder = createWordEmbedder();
  const host = createCollectionHost({ folder: ':memory:', embedder });
  onTestFinished(() => void host.closeAll());
  const calls: { readonly method: keyof CollectionCalls; readonly said: unknown }[] = [];
  const collections = collectionsOver(async (method, ...args) => {
    const said = (host[method] as (...given: typeof args) => unknown)(...args);
    calls.push({ method, said });
    return said as ReturnType<CollectionCalls[typeof method]>;
  });
  const library = createLibrary({
    collections: { ...collections, close: async () => {} },
    embedder,
    ...{ digestOf: sha256, clock: createVirtualClock(1e12), log: silentLog },
  });
  for (let i = 0; i < 24; i++) {
    const text = `${textOf(i, 400)}\n\n${textOf(i + 100, 400)}`;
    const digest = sha256(new TextEncoder().encode(text));
    calls.length = 0;
    unwrap(await library.add('manuals', { uri: `${i}`, title: '', text, digest, trust: 1 }));
  }
  const methods = calls.map(({ method }) => method);
  expect(methods).toEqual([
    'create',
    'find',
    'snapshot',
    'staged',
    'vectorsBy',
    'compareIntake',
    'put',
  ]);
  const compared = calls.find(({ method }) => method === 'compareIntake')?.said;
  const number = expect.any(Number);
  expect(compared).toEqual({
    ok: true,
    value: { lookAlikes: 0, nearest: number, anomaly: number },
  });
});
