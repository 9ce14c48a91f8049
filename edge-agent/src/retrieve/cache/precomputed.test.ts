import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openTestLibrary } from '../../testing/cached-library.ts';
import { type PrecomputedAnswer, precomputedMax } from './precomputed.ts';

const text = 'The pump is bled at the brass valve. It holds four litres of oil.';
const cited = 'It holds four litres of oil.';
const digest = sha256(new TextEncoder().encode(text));
const answer: PrecomputedAnswer = {
  question: 'How much oil does the pump hold?',
  text: 'The pump holds four litres of oil.',
  source: 'big-model',
  citations: [
    { uri: 'pump.md', digest, start: text.indexOf(cited), end: text.length, text: cited },
  ],
};

async function open() {
  const world = await openTestLibrary();
  onTestFinished(world.close);
  await world.add('pump.md', text);
  const look = async (question: string, principals: readonly string[] = []) => {
    const asked = { question, collections: ['manuals'], reader: { principals } };
    return (await world.cache.look({ ...asked, answerModel: undefined })).recall;
  };
  return { ...world, look };
}

describe('answers computed elsewhere', () => {
  it('[CAC7] serve their question once what they cite was found, also after other documents came', async () => {
    const { precomputed, look, add } = await open();
    expect(unwrap(await precomputed.replace('manuals', [answer]))).toEqual({
      kept: 1,
      refused: [],
    });
    await add('winch.md', 'The winch pulls four tonnes up.');
    expect(await look('how much OIL does the pump hold')).toMatchObject({
      answer: {
        said: {
          text: answer.text,
          citations: [{ verified: true, title: 'pump.md' }],
          unverified: [],
        },
      },
      recalled: { cache: 'precomputed', source: 'big-model' },
    });
    expect(await look('How much water does the pump hold?')).toBeUndefined();
  });

  it('[CAC7] are refused one by one where they cite what is not there, and marked where they say more', async () => {
    const { precomputed, look } = await open();
    const [place] = answer.citations;
    const wrong = [
      { ...place, text: 'It holds nine litres of oil!' },
      { ...place, digest: `sha256:${'0'.repeat(64)}` },
      { ...place, uri: 'winch.md' },
      { ...place, start: 0 },
    ] as PrecomputedAnswer['citations'];
    const more = { ...answer, text: `${answer.text} The motor takes 12 V.` };
    const outcome = await precomputed.replace('manuals', [
      ...wrong.map((each) => ({ ...answer, question: 'Which oil?', citations: [each] })),
      more,
    ]);
    expect(unwrap(outcome)).toMatchObject({
      kept: 1,
      refused: [0, 1, 2, 3].map((index) => ({ index })),
    });
    expect(await look('Which oil?')).toBeUndefined();
    expect(await look(answer.question)).toMatchObject({
      answer: { said: { unverified: ['The motor takes 12 V.'] } },
    });
    const many = Array<PrecomputedAnswer>(precomputedMax + 1).fill(answer);
    expect(await precomputed.replace('manuals', many)).toMatchObject({
      error: { code: 'too_large' },
    });
    expect(await precomputed.replace('none', [answer])).toMatchObject({
      error: { code: 'not_found' },
    });
  });

  it('[CAC7] are replaced together, and serve whoever may read what they cite', async () => {
    const { precomputed, look, add, store } = await open();
    await add('pump.md', text, { readers: ['crew'] });
    unwrap(await precomputed.replace('manuals', [answer]));
    expect(await look(answer.question)).toBeUndefined();
    expect(await look(answer.question, ['crew'])).toMatchObject({
      answer: { source: 'big-model' },
    });
    const other = { ...answer, question: 'Which oil?' };
    unwrap(await precomputed.replace('manuals', [other]));
    expect(await look(answer.question, ['crew'])).toBeUndefined();
    expect(await look('which oil', ['crew'])).toBeDefined();
    await add('pump.md', `${text} Since May.`);
    expect(unwrap(store.figures())).toMatchObject({ pushed: 0 });
  });
});
