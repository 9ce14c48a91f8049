import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { err, failure, ok } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CachedLibraryOptions, openTestLibrary } from '../../testing/cached-library.ts';
import { askLibrary } from '../ask.ts';
import { summaryOf } from '../library-reply.ts';
import type { AskedOf } from './describe-question.ts';
import { purgingCollections } from './purging-collections.ts';

const pump = 'The pump of the cooling circuit is bled at the brass valve above the motor.';
const question = 'Where is the pump of the cooling circuit bled?';

async function open(options?: CachedLibraryOptions) {
  const world = await openTestLibrary(options);
  onTestFinished(world.close);
  const { cache, library } = world;
  const askedOf = (more: Partial<AskedOf> = {}): AskedOf => ({
    question,
    collections: ['manuals'],
    reader: { principals: [] },
    answerModel: undefined,
    ...more,
  });
  const compute = async (of: AskedOf) => {
    const { citations, text, confidence, ...rest } = unwrap(await askLibrary(library, of));
    const said = { text: text ?? '', citations: text ? citations : [], unverified: [] };
    const summary = summaryOf({ ...rest, citations, confidence });
    return { said, summary, source: 'library', confidence };
  };
  /** Which cache has it, or none; what it lacks is computed, and kept. */
  const ask = async (more: Partial<AskedOf> = {}, degraded = false) => {
    const of = askedOf(more);
    const look = await cache.look(of);
    if (look.recall !== undefined) return look.recall.recalled.cache;
    await look.computed(await compute(of), degraded);
    return 'missed';
  };
  const pass = (ms: number): void => void world.clock.runNext(world.clock.nowMs() + ms);
  return { ...world, ask, askedOf, compute, pass };
}

describe('answers that were given before', () => {
  it('[CAC1] serve the same question again, but for case, spaces and the marks around it', async () => {
    const { add, ask, cache, pass, askedOf } = await open();
    await add('pump.md', pump);
    expect(await ask()).toBe('missed');
    pass(12_000);
    for (const same of [question, '  where is the PUMP of the\ncooling circuit  bled '])
      expect(await ask({ question: same })).toBe('exact');
    expect((await cache.look(askedOf())).recall).toMatchObject({
      answer: { said: { text: pump }, source: 'library' },
      recalled: { cache: 'exact', source: 'library', ageMs: 12_000 },
      judged: false,
    });
    expect(await ask({ question: 'Where is the motor of the cooling circuit bled?' })).toBe(
      'missed',
    );
  });

  it('[CAC1] are shared by no two principals, models, or sets of collections', async () => {
    const { add, ask } = await open();
    await add('pump.md', pump);
    await add('other.md', pump, {}, 'other');
    const terms: readonly Partial<AskedOf>[] = [
      {},
      { reader: { principals: ['crew'] } },
      { reader: { principals: ['crew', 'owner'] } },
      { answerModel: 'small' },
      { collections: ['other'] },
      { collections: ['manuals', 'other'] },
    ];
    for (const of of terms) expect(await ask(of)).toBe('missed');
    for (const of of terms) expect(await ask(of)).toBe('exact');
    expect(await ask({ reader: { principals: ['owner', 'crew', 'owner'] } })).toBe('exact');
    expect(await ask({ collections: ['other', 'manuals'] })).toBe('exact');
  });

  it('[CAC1] are shared by no two rankings: not by two rerankers of one name, nor with more words', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-answers-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const reranker = (digest: string): CachedLibraryOptions => ({
      reranker: { name: 'larger', digest, begin: async () => ok(async () => ok(1)) },
    });
    const rankings = [{}, reranker('sha256:a'), reranker('sha256:b'), { expandsWords: true }];
    for (const given of ['missed', 'exact'])
      for (const ranking of rankings) {
        const { add, ask, close } = await open({ folder, ...ranking });
        await add('pump.md', pump);
        expect(await ask(), JSON.stringify(ranking)).toBe(given);
        await close();
      }
  });

  it('[CAC2] are so many, kept so long, and none that is degraded or cites nothing', async () => {
    const { add, ask, cache, pass } = await open({ entriesMax: 2, ttlMs: 1_000 });
    await add('pump.md', pump);
    expect(await ask({}, true)).toBe('missed');
    expect(await ask({ question: 'Who won the regatta?' })).toBe('missed');
    expect(unwrap(cache.figures())).toMatchObject({ asked: 0 });
    const questions = [
      question,
      'Which valve is above the motor?',
      'What is bled at the brass valve above the motor?',
    ];
    for (const each of questions) {
      expect(await ask({ question: each })).toBe('missed');
      pass(10);
    }
    expect(unwrap(cache.figures())).toMatchObject({ asked: 2 });
    expect(await ask({ question: questions[2] as string })).toBe('exact');
    expect(await ask()).toBe('missed');
    pass(1_000);
    expect(await ask()).toBe('missed');
    expect(unwrap(cache.figures())).toMatchObject({ asked: 1, served: { exact: 1, missed: 7 } });
  });

  it('[CAC3] are not given where what they cite does not stand any more', async () => {
    const { add, ask, store, cache, askedOf, compute } = await open();
    await add('pump.md', pump);
    const answer = await compute(askedOf());
    const changed = answer.said.citations.map((each) => ({ ...each, text: 'The pump is safe.' }));
    const look = await cache.look(askedOf());
    await look.computed({ ...answer, said: { ...answer.said, citations: changed } }, false);
    expect(unwrap(store.figures())).toMatchObject({ asked: 1 });
    expect(await ask()).toBe('missed');
  });

  it('[CAC4] go with every change of what they rest on, in the same call', async () => {
    const { add, ask, collections, store, library } = await open();
    const text = `${pump} Once a week.`;
    const changes: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['a new version', () => add('pump.md', text)],
      ['narrower readers', () => add('pump.md', text, { readers: ['crew'] })],
      ['wider ones', () => add('pump.md', pump)],
      [
        'an earlier version',
        async () => unwrap(await unwrap(await collections.open('manuals')).restore('pump.md', 2)),
      ],
      ['another document', () => add('winch.md', 'The winch pulls four tonnes up.')],
      [
        'a document deleted',
        async () => unwrap(await unwrap(await collections.open('manuals')).remove('winch.md')),
      ],
      ['the collection deleted', async () => unwrap(await library.collections.remove('manuals'))],
    ];
    await add('pump.md', pump);
    await add('pump.md', pump, {}, 'other');
    await ask({ collections: ['other'] });
    const held = () => unwrap(store.figures()).asked;
    for (const [name, change] of changes) {
      const principals = ['crew'];
      await ask({ reader: { principals } });
      expect(await ask({ reader: { principals } }), name).toBe('exact');
      await change();
      expect(held(), name).toBe(1);
    }
    expect(await ask({ collections: ['other'] })).toBe('exact');
  });

  it('[CAC4] make a change fail that cannot purge them, before it is made', async () => {
    const { add, collections } = await open();
    await add('pump.md', pump);
    const broken = purgingCollections(collections, {
      purge: () => err(failure('storage_failed', 'its disk is gone')),
    });
    const thread = unwrap(await broken.open('manuals'));
    expect(await thread.remove('pump.md')).toMatchObject({ error: { code: 'storage_failed' } });
    expect(unwrap(await thread.find('pump.md'))).toBeDefined();
  });

  it('[CAC5] are not kept where the collection changed while they were made', async () => {
    const { add, cache, askedOf, compute, collections, store } = await open();
    await add('pump.md', pump);
    const before = await cache.look(askedOf());
    const answer = await compute(askedOf());
    unwrap(await unwrap(await collections.open('manuals')).remove('pump.md'));
    await before.computed(answer, false);
    expect(unwrap(store.figures())).toMatchObject({ asked: 0 });

    await add('pump.md', pump);
    const look = await cache.look(askedOf());
    const stale = { ...answer.summary, snapshots: ['manuals@1'] };
    await look.computed({ ...answer, summary: stale }, false);
    expect(unwrap(store.figures())).toMatchObject({ asked: 0 });
  });

  it('[CAC5] that a crash has left go at the next start, where they are out of date', async () => {
    const { add, ask, cache, store, collections } = await open();
    await add('pump.md', pump);
    await add('pump.md', pump, {}, 'other');
    await ask();
    await ask({ collections: ['other'] });
    await cache.sweep();
    expect(unwrap(store.figures())).toMatchObject({ asked: 2 });
    const key = 'left';
    const searched = [{ collection: 'manuals', revision: 7 }];
    const rests = [{ collection: 'manuals', uri: 'gone.md' }];
    const answer = {
      said: { text: 'x', citations: [], unverified: [] },
      summary: { snapshots: [], passages: [] },
      source: 'library',
    };
    const times = { madeMs: 0, expiresMs: 9e9 };
    const names = { scope: 's', form: 'f', asked: 'a', question: 'q' };
    unwrap(store.put({ key, kind: 'asked', ...names, answer, searched, rests, ...times }));
    await cache.sweep();
    expect(unwrap(store.get(key))).toBeUndefined();
    expect(unwrap(store.figures())).toMatchObject({ asked: 1 });
    expect(await ask({ collections: ['other'] })).toBe('exact');
    expect(unwrap(await collections.list())).toEqual(['manuals', 'other']);
  });
});
