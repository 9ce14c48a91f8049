import { silentLog } from '@skerry/shared';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { forgettingVerdicts, judgeDense, makeQuestions, startDenseChecks } from './check-dense.ts';
import { createLibrary, type Library } from './library.ts';

const times = (length: number, value: (i: number) => number) =>
  Array.from({ length }, (_, i) => value(i));

it('[LIB37] vectors are off where questions say beyond chance that they hurt', () => {
  const words = times(20, (i) => (i % 5 === 0 ? 0.5 : 1));
  expect(judgeDense(words, words).isOn).toBe(true);
  expect(
    judgeDense(
      words,
      times(20, () => 1),
    ).isOn,
  ).toBe(true);
  const hurt = judgeDense(
    words,
    times(20, (i) => (i % 2 === 0 ? 0.2 : 0.5)),
  );
  expect(hurt).toEqual({
    isOn: false,
    reason: 'of 20 questions words alone rank 0.90, with vectors 0.35',
  });
  // One that fell may be chance, and so may be whatever few questions say.
  expect(judgeDense(words, words.with(3, 0.1)).isOn).toBe(true);
  expect(
    judgeDense(
      words.slice(0, 7),
      times(7, () => 0),
    ).isOn,
  ).toBe(true);
});

it('[LIB37] a title asks for its document, or how it begins where it has none', () => {
  const text = '# Pump\n\nThe pump is bled at the brass valve. It is loud.';
  const made = makeQuestions([
    { uri: 'a.md', title: 'Bleeding the pump', text },
    { uri: 'b.md', title: 'b.md', text },
    { uri: 'c.md', title: 'Pump', text: '' },
  ]);
  expect(made).toEqual([
    { uri: 'a.md', question: 'Bleeding the pump' },
    { uri: 'b.md', question: 'The pump is bled at the brass valve.' },
  ]);
});

/** Thirty documents; an embedder that knows words, or says anything. */
async function openChecked(isWild: boolean) {
  const words = createWordEmbedder();
  let drawn = 0;
  const wild: typeof words = {
    ...words,
    embed: (texts) => words.embed(texts.map(() => `w${(drawn++ * 7_919) % 997}`)),
  };
  const embedder = isWild ? wild : words;
  const collections = createDirectCollections({ folder: ':memory:', embedder });
  onTestFinished(() => collections.close());
  const ports = {
    collections,
    embedder,
    digestOf: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
    clock: createVirtualClock(),
    log: silentLog,
  };
  const bare = createLibrary(ports);
  for (let i = 0; i < 30; i++)
    unwrap(
      await bare.add('manuals', {
        uri: `${i}`,
        title: `Manual number${i} of part${i * 7}`,
        text: `This manual is about number${i}. It weighs part${i * 7} pounds.`,
        digest: `${i}`,
        trust: 1,
      }),
    );
  const checks = startDenseChecks(bare, collections, ports);
  await checks.done;
  const library: Library = createLibrary({
    ...ports,
    collections: forgettingVerdicts(collections, () => checks),
    verdictOn: checks.verdictOn,
  });
  return { library, checks };
}

const asked = { collections: ['manuals'], text: 'number7', count: 3, reader: { principals: [] } };

it('[LIB37] a collection whose vectors help is searched by both', async () => {
  const { library, checks } = await openChecked(false);
  expect(checks.verdictOn('manuals')).toMatchObject({ isOn: true });
  expect(unwrap(await library.search(asked))).toMatchObject({ mode: 'hybrid' });
});

it('[LIB37] one whose vectors say anything is searched by words, and it is said why', async () => {
  const { library } = await openChecked(true);
  expect(unwrap(await library.search(asked))).toMatchObject({
    mode: 'words',
    wordsOnly: { manuals: expect.stringMatching('words alone rank 1.00') },
    found: [{ passage: { uri: '7' } }],
  });
  expect(unwrap(await library.search({ ...asked, mode: 'vectors' }))).toMatchObject({
    mode: 'vectors',
  });
});

it('[LIB37] a collection that is made again under its name is searched by both: it is another', async () => {
  const { library, checks } = await openChecked(true);
  expect(checks.verdictOn('manuals')).toMatchObject({ isOn: false });
  unwrap(await library.collections.remove('manuals'));
  expect(checks.verdictOn('manuals')).toBeUndefined();
  const text = 'The number7 is oiled.';
  const made = { uri: 'a', title: 'A', text, digest: 'a', trust: 1 };
  unwrap(await library.add('manuals', made));
  expect(unwrap(await library.search(asked))).toMatchObject({ mode: 'hybrid' });
});
