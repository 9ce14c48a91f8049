import { type Log, silentLog } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openTestLibrary } from '../../testing/cached-library.ts';
import type { CachedAnswer } from './answer-store.ts';
import { estimateFalseHits } from './false-hits.ts';
import { saysTheSame } from './says-the-same.ts';
import type { SemanticTerms } from './semantic-hits.ts';

const dose = 'Give 400 mg of the salt to the boiler once a week.';
const terms: SemanticTerms = { similarityMin: 0.9, judgedShare: 0, wrongShareMax: 0.01 };

async function open(semantic?: SemanticTerms, log?: Log) {
  const world = await openTestLibrary({ semantic, ...(log && { log }) });
  onTestFinished(world.close);
  const { document } = await world.add('salt.md', dose);
  const look = (question: string, principals: readonly string[] = []) =>
    world.cache.look({
      ...{ question, collections: ['manuals'], reader: { principals }, answerModel: undefined },
    });
  const at = { collection: 'manuals', uri: 'salt.md', title: 'salt.md', heading: '', version: 1 };
  const place = { digest: document.digest, passage: 1, start: 0, end: dose.length, text: dose };
  const answer = (text: string): CachedAnswer => ({
    said: { text, citations: [{ ...at, ...place, verified: true }], unverified: [] },
    summary: { snapshots: ['manuals@1'], passages: [] },
    source: 'library',
  });
  /** The first is asked, and answered. */
  const first = async (question: string, principals?: readonly string[]): Promise<void> =>
    (await look(question, principals)).computed(answer('400 mg'), false);
  const recalled = async (question: string, principals?: readonly string[]) =>
    (await look(question, principals)).recall?.recalled.cache;
  return { ...world, look, first, recalled, answer };
}

const asked = 'May I give the boiler 400 mg of salt?';
const alike = 'may we give a boiler 400 mg of salt';

describe('questions in other words', () => {
  it('[CAC10] are answered by another’s answer where that is configured, and say which', async () => {
    const off = await open();
    await off.first(asked);
    expect(await off.recalled(alike)).toBeUndefined();
    expect(await off.recalled(asked)).toBe('exact');
    expect(unwrap(off.cache.figures()).semantic).toBeUndefined();

    const { first, look, recalled } = await open(terms);
    await first(asked);
    expect((await look(alike)).recall).toMatchObject({
      answer: { said: { text: '400 mg' } },
      recalled: { cache: 'semantic', question: asked, similarity: expect.closeTo(1, 5) },
      judged: false,
    });
    for (const other of [
      'May I give the boiler 800 mg of salt?',
      'May I not give the boiler 400 mg of salt?',
      'May I give the salt 400 mg of boiler?',
    ])
      expect(await recalled(other)).toBeUndefined();
  });

  it('[CAC10] are no other’s under other terms, nor far from it, nor once its time is over', async () => {
    const { first, recalled, add, clock } = await open(terms);
    await first(asked);
    expect(await recalled(alike, ['crew'])).toBeUndefined();
    clock.runNext(clock.nowMs() + 60_000);
    expect(await recalled(alike)).toBeUndefined();
    await first(asked);
    expect(await recalled(alike)).toBe('semantic');
    await add('other.md', 'The winch pulls four tonnes up.');
    expect(await recalled(alike)).toBeUndefined();
    // Words alone are not enough.
    const far = await open({ ...terms, similarityMin: 1.1 });
    await far.first(asked);
    expect(await far.recalled(alike)).toBeUndefined();
  });

  it('[CAC10] are answered by what was computed elsewhere, too', async () => {
    const { precomputed, look } = await open(terms);
    const { answer } = await open(terms);
    const citations = answer('').said.citations.map(({ uri, digest, start, end, text }) => ({
      ...{ uri, digest, start, end, text },
    }));
    const pushed = { question: asked, text: dose, source: 'big', citations };
    expect(unwrap(await precomputed.replace('manuals', [pushed]))).toMatchObject({ kept: 1 });
    expect((await look(alike)).recall?.recalled).toMatchObject({
      cache: 'semantic',
      source: 'big',
    });
  });

  it('[CAC11] are computed all the same for a share of them, and not served once too many were wrong', async () => {
    const warned: unknown[] = [];
    const log = { ...silentLog, warn: (...args: unknown[]) => void warned.push(args) };
    const { first, look, answer, cache } = await open({ ...terms, judgedShare: 1 }, log);
    await first(asked);
    const judge = async (text: string): Promise<void> => {
      const served = await look(alike);
      expect(served.recall).toMatchObject({ judged: true });
      // Degraded, so that it is not kept as this question's own.
      await served.computed(answer(text), true);
    };
    await judge('400 mg');
    await judge('400  mg');
    expect(unwrap(cache.figures()).semantic).toMatchObject({
      hits: 2,
      judged: 2,
      wrong: 0,
      share: 0,
    });
    await judge('800 mg');
    expect(unwrap(cache.figures()).semantic).toMatchObject({
      judged: 3,
      wrong: 1,
      lower: expect.closeTo(0.0084, 4),
    });
    await judge('800 mg');
    const figures = unwrap(cache.figures()).semantic;
    expect(figures).toMatchObject({
      hits: 4,
      judged: 4,
      wrong: 2,
      disabled: expect.stringMatching(
        /^of 4 look-alikes .* 2 had another answer: at least 6\.76 %/,
      ),
    });
    expect(warned).toHaveLength(1);
    expect((await look(alike)).recall).toBeUndefined();
    expect((await look(asked)).recall?.recalled.cache).toBe('exact');
  });

  it('[CAC11] are wrong where the library’s words, or a model’s passages or numbers, are others', () => {
    const said = (text: string, passage: number, source: string): CachedAnswer => {
      const at = { collection: 'm', uri: 'a', title: '', heading: '', version: 1, digest: 'd' };
      const citation = { ...at, passage, start: 0, end: 1, text: 'x', verified: true };
      const summary = { snapshots: [], passages: [] };
      return { said: { text, citations: [citation], unverified: [] }, summary, source };
    };
    const by = (source: string) => said('Give 400 mg [1].', 1, source);
    expect(saysTheSame(by('cloud'), said('It is 400 mg [2].', 1, 'cloud'))).toBe(true);
    expect(saysTheSame(by('cloud'), said('Give 800 mg [1].', 1, 'cloud'))).toBe(false);
    expect(saysTheSame(by('cloud'), said('It is 400 mg [1].', 2, 'cloud'))).toBe(false);
    expect(saysTheSame(by('library'), said('It is 400 mg [1].', 1, 'library'))).toBe(false);
    expect(saysTheSame(by('library'), said('Give  400 mg [1].', 2, 'library'))).toBe(true);
  });

  it('[CAC11] are turned off for certain alone: a chance that the bound allows is no reason', () => {
    expect(estimateFalseHits({ hits: 9, judged: 0, wrong: 0 }, 0.01)).toMatchObject({
      ...{ share: 0, lower: 0, upper: 1 },
    });
    const few = estimateFalseHits({ hits: 9_000, judged: 200, wrong: 2 }, 0.01);
    expect(few.share).toBe(0.01);
    expect(few.disabled).toBeUndefined();
    expect(estimateFalseHits({ hits: 9_000, judged: 200, wrong: 8 }, 0.01).disabled).toContain(
      '1 %',
    );
  });
});
