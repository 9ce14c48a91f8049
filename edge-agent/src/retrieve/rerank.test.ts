import { err, failure, ok } from '@skerry/shared';
import { createVirtualClock } from '@skerry/shared/testing';
import { expect, it } from 'vitest';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import type { FoundPassage } from './library.ts';
import { type Reranker, rerank, rerankByEmbedder, rerankedMax } from './rerank.ts';

const found = (texts: readonly string[], trust = () => 1): FoundPassage[] =>
  texts.map((text, i) => ({
    passage: {
      id: i,
      collection: 'manuals',
      uri: `${i}`,
      title: '',
      heading: '',
      digest: 'd',
      version: 1,
      ordinal: 0,
      start: 0,
      end: text.length,
      trust: trust(),
      text,
    },
    score: 1 / (i + 1),
  }));

/** Scores of texts that are numbers; each takes so long. */
const byNumber = (eachMs: number, clock = createVirtualClock()) => {
  const reranker: Reranker = {
    name: 'numbers',
    digest: 'd',
    begin: async () =>
      ok(async (text) => {
        await new Promise<void>((resolve) => void clock.after(eachMs, resolve));
        return text === 'broken' ? err(failure('internal', 'no number')) : ok(Number(text));
      }),
  };
  const run = async (texts: readonly string[], leftMs: number, trust?: () => number) => {
    const given = found(texts, trust);
    const ran = rerank(reranker, 'q', given, { leftMs, clock });
    for (let i = 0; i < 200; i++) {
      await Promise.resolve();
      if (i % 8 === 7) clock.runNext(10_000);
    }
    const { found: ranked, ...rest } = await ran;
    expect(ranked.map(({ score }) => score)).toEqual(given.map(({ score }) => score));
    return { texts: ranked.map(({ passage }) => passage.text), ...rest };
  };
  return { run };
};

it('[RNK1] what was found is ranked by its place and by the second look, each alike', async () => {
  expect(await byNumber(1).run(['1', '2', '4', '3'], 1_000)).toEqual({
    texts: ['4', '1', '2', '3'],
    reranked: 4,
  });
});

it('[RNK1] what was not looked at in time keeps its place, and it is said', async () => {
  expect(await byNumber(100).run(['1', '5', '9', '8'], 250)).toEqual({
    texts: ['1', '5', '9', '8'],
    reranked: 2,
    reason: '250 ms were over',
  });
  const late = await byNumber(100).run(['1', '5', '7', '9', '8'], 350);
  expect(late).toMatchObject({ texts: ['1', '7', '5', '9', '8'], reranked: 3 });
});

it('[RNK1] one that fails leaves what it did not come to', async () => {
  const ran = await byNumber(1).run(['1', 'broken', '9'], 1_000);
  expect(ran).toEqual({ texts: ['1', 'broken', '9'], reranked: 1, reason: 'no number' });
  const clock = createVirtualClock();
  const reranker = {
    name: 'none',
    digest: 'd',
    begin: async () => err(failure('unavailable', 'not there')),
  };
  const given = found(['a', 'b']);
  expect(await rerank(reranker, 'q', given, { leftMs: 9, clock })).toEqual({
    found: given,
    reranked: 0,
    reason: 'not there',
  });
});

it('[RNK1] so many are looked at, and what is less trusted gains less', async () => {
  const many = Array.from({ length: rerankedMax + 5 }, (_, i) => `${i}`);
  expect(await byNumber(0).run(many, 1_000)).toMatchObject({ reranked: rerankedMax });
  const trusts = [1, 0.1];
  const ran = await byNumber(1).run(['1', '2'], 1_000, () => trusts.shift() ?? 1);
  expect(ran.texts).toEqual(['1', '2']);
});

it('[RNK1] a larger embedder looks by its cosines', async () => {
  const embedder = { ...createWordEmbedder(), name: 'larger' };
  const given = found(['anchor chain', 'oil filter', 'a filter for oil of the pump']);
  const clock = createVirtualClock();
  const options = { leftMs: 1_000, clock };
  const ran = await rerank(rerankByEmbedder(embedder), 'oil filter', given, options);
  expect(ran.found.map(({ passage }) => passage.uri)).toEqual(['1', '0', '2']);
});
