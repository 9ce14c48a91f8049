import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { sampleDocument as document } from '../testing/sample-document.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { askLibrary, checkCitations } from './ask.ts';
import { candidatesOf, extractAnswer } from './extract-answer.ts';
import { createLibrary } from './library.ts';
import { queryWordsMax } from './match-query.ts';
import type { Passage, SourceDocument } from './passage.ts';

const anybody = { principals: [] };

function openLibrary(
  options: { folder?: string; engine?: 'memory' | 'sqlite-vec'; words?: true } = {},
) {
  const embedder = createWordEmbedder();
  const collections = createDirectCollections({
    folder: options.folder ?? ':memory:',
    ...(options.words ? {} : { embedder }),
    engine: options.engine,
  });
  onTestFinished(() => collections.close());
  const library = createLibrary({
    collections,
    ...(options.words ? {} : { embedder }),
    digestOf: sha256,
    clock: createVirtualClock(),
    log: silentLog,
  });
  return { library, embedder, collections };
}

/** So that a heading’s passage is its own. */
const filler =
  'It is wiped with a dry cloth, and nothing else is done to it by anybody but the maker. '.repeat(
    9,
  );
const pump = document(
  'pump.md',
  '# Pump\n\nThe pump of the cooling circuit is bled at the brass valve above the motor. Close the valve as soon as water comes without air.\n\nFILLER\n\n# Filter\n\nThe oil filter is changed every 500 hours of operation.'.replace(
    'FILLER',
    filler,
  ),
);
const winch = document(
  'winch.md',
  '# Winch\n\nThe winch pulls four tonnes with two layers of rope on its drum.',
);

describe.each(['sqlite-vec', 'memory'] as const)('a library, vectors in %s', (engine) => {
  const ask = async (library: ReturnType<typeof openLibrary>['library'], question: string) =>
    unwrap(await askLibrary(library, { question, collections: ['manuals'], reader: anybody }));

  it('[LIB3] finds what was put in by its words and by its meaning, and says what it has searched', async () => {
    const { library } = openLibrary({ engine });
    unwrap(await library.add('manuals', pump));
    unwrap(await library.add('manuals', winch));
    for (const mode of ['hybrid', 'words', 'vectors'] as const) {
      const outcome = unwrap(
        await library.search({
          collections: ['manuals'],
          text: 'When is the oil filter changed?',
          count: 3,
          reader: anybody,
          mode,
        }),
      );
      expect(outcome.mode).toBe(mode);
      expect(outcome.snapshots).toEqual(['manuals@2']);
      expect(outcome.found[0]?.passage).toMatchObject({ uri: 'pump.md', heading: 'Filter' });
    }
  });

  it('[LIB4] embeds nothing twice: not what is unchanged, nor what stays of what was', async () => {
    const { library, embedder } = openLibrary({ engine });
    const first = unwrap(await library.add('manuals', pump));
    expect(first).toMatchObject({ unchanged: false, embedded: first.passages });
    embedder.embedded.length = 0;
    expect(unwrap(await library.add('manuals', pump))).toMatchObject({
      unchanged: true,
      embedded: 0,
    });
    expect(embedder.embedded).toEqual([]);
    const changed = document(
      'pump.md',
      `${pump.text}\n\n# Belt\n\nThe belt is tightened by hand, never with a lever of any kind.`,
    );
    const second = unwrap(await library.add('manuals', changed));
    expect(second.embedded).toBeLessThan(second.passages);
    expect(second.document.version).toBe(2);
  });

  it('[LIB4] the same bytes under other terms are a new version, of which nothing is embedded again', async () => {
    const { library, embedder } = openLibrary({ engine });
    const given = { ...pump, readers: ['crew', 'owner'], meta: { site: 'north', kind: 'a' } };
    unwrap(await library.add('manuals', given));
    embedder.embedded.length = 0;
    const reordered = { readers: ['owner', 'crew'], meta: { kind: 'a', site: 'north' } };
    expect(unwrap(await library.add('manuals', { ...given, ...reordered })).unchanged).toBe(true);
    const others: Partial<SourceDocument>[] = [
      { readers: ['owner'] },
      { readers: [] },
      { trust: 0.5 },
      { meta: { site: 'south' } },
      { language: 'en' },
    ];
    for (const terms of others) {
      const first = unwrap(await library.add('manuals', given)).document;
      const added = unwrap(await library.add('manuals', { ...given, ...terms }));
      expect(added).toMatchObject({ unchanged: false, embedded: 0 });
      expect(added.document).toMatchObject({ ...terms, version: first.version + 1 });
    }
    expect(embedder.embedded).toEqual([]);
    const titled = unwrap(await library.add('manuals', { ...given, title: 'The pump' }));
    expect(titled).toMatchObject({ unchanged: false, document: { title: 'The pump' } });
  });

  it('[LIB5] an earlier version is found again when it is restored, and what replaced it is not', async () => {
    const { library } = openLibrary({ engine });
    unwrap(await library.add('manuals', winch));
    unwrap(
      await library.add('manuals', document('winch.md', '# Winch\n\nThe winch lifts nine tonnes.')),
    );
    const thread = unwrap(await library.collections.open('manuals'));
    expect((await ask(library, 'How many tonnes does the winch lift?')).text).toContain('nine');
    expect(unwrap(await thread.restore('winch.md', 1))).toMatchObject({ version: 1 });
    expect((await ask(library, 'How many tonnes does the winch pull?')).text).toContain('four');
    const found = unwrap(
      await library.search({
        collections: ['manuals'],
        text: 'lifts nine',
        count: 9,
        reader: anybody,
      }),
    );
    expect(found.found.some(({ passage }) => passage.text.includes('nine'))).toBe(false);
    expect(unwrap(await thread.restore('winch.md', 7))).toBeUndefined();
  });

  it('[LIB6] shows a reader what is for everybody and for it, in either leg, and counts nothing of the rest', async () => {
    const { library } = openLibrary({ engine });
    unwrap(await library.add('manuals', pump));
    unwrap(await library.add('manuals', { ...winch, readers: ['crew', 'owner'] }));
    const uris = async (principals: string[], filter = {}) => {
      const asked = { collections: ['manuals'], text: 'winch rope pump', count: 9, filter };
      const outcome = unwrap(await library.search({ ...asked, reader: { principals } }));
      return new Set(outcome.found.map(({ passage }) => passage.uri));
    };
    expect(await uris([])).toEqual(new Set(['pump.md']));
    expect(await uris(['guest'])).toEqual(new Set(['pump.md']));
    expect(await uris(['guest', 'crew'])).toEqual(new Set(['pump.md', 'winch.md']));
    expect(await uris(['crew'], { uri: 'winch.md' })).toEqual(new Set(['winch.md']));
    expect(await uris(['crew'], { meta: { site: 'north' } })).toEqual(new Set());
  });

  it('[LIB6] neither lists, nor counts, nor cites what a reader may not read, nor what was replaced', async () => {
    const { library } = openLibrary({ engine });
    unwrap(await library.add('manuals', pump));
    unwrap(await library.add('manuals', { ...winch, readers: ['crew'] }));
    const thread = unwrap(await library.collections.open('manuals'));
    const of = async (...principals: string[]) => {
      const filter = { principals };
      const listed = unwrap(await thread.list(filter));
      const { counts, passages } = unwrap(await thread.countWords(['winch', 'pump'], filter));
      return { uris: listed.map(({ uri }) => uri), counts, passages };
    };
    const guest = await of();
    const crew = await of('crew');
    expect(guest).toMatchObject({ uris: ['pump.md'], counts: [0, 1] });
    expect(crew).toMatchObject({ uris: ['pump.md', 'winch.md'], counts: [1, 1] });
    expect(guest.passages).toBeLessThan(crew.passages);
    const reader = { principals: ['crew'] };
    const asked = { question: 'How many tonnes does the winch pull?', reader };
    const { citations } = unwrap(await askLibrary(library, { ...asked, collections: ['manuals'] }));
    expect(citations).toMatchObject([{ uri: 'winch.md', verified: true }]);
    expect(unwrap(await checkCitations(library, citations, anybody))).toMatchObject([
      { verified: false },
    ]);
    const changed = document('winch.md', `${winch.text} It is new.`, { readers: ['crew'] });
    unwrap(await library.add('manuals', changed));
    expect(unwrap(await checkCitations(library, citations, reader))).toMatchObject([
      { verified: false },
    ]);
  });

  it('[LIB7] answers in its own words, each of which stands where it is said to', async () => {
    const { library } = openLibrary({ engine });
    unwrap(await library.add('manuals', pump));
    const answer = await ask(library, 'Where is the pump of the cooling circuit bled?');
    expect(answer.text).toContain('brass valve above the motor');
    expect(answer.citations.every(({ verified }) => verified)).toBe(true);
    for (const { start, end, text } of answer.citations)
      expect(pump.text.slice(start, end)).toBe(text);
    const moved = answer.citations.map((citation) => ({ ...citation, start: citation.start + 1 }));
    expect(
      unwrap(await checkCitations(library, moved, anybody)).every(({ verified }) => verified),
    ).toBe(false);
  });

  it('[LIB8] does not know what is not there', async () => {
    const { library } = openLibrary({ engine });
    unwrap(await library.add('manuals', pump));
    const answer = await ask(library, 'Who won the regatta in Venice last summer?');
    expect(answer.text).toBeUndefined();
    expect(answer.confidence).toBeLessThan(answer.threshold);
  });
});

describe('a library', () => {
  it('[LIB31] ranks the passages of several collections as those of one', async () => {
    const { library } = openLibrary();
    for (const [i, what] of ['oil', 'air', 'fuel'].entries())
      unwrap(
        await library.add(
          'strong',
          document(`${i}.md`, `The relief valve of the ${what} circuit opens at 12 bar.`),
        ),
      );
    unwrap(await library.add('weak', document('weak.md', 'The harbour opens at nine for boats.')));
    const asked = { text: 'When does the relief valve of the circuit open?', reader: anybody };
    const collections = ['weak', 'strong'];
    for (const mode of ['hybrid', 'words', 'vectors'] as const) {
      const { found } = unwrap(await library.search({ ...asked, collections, mode, count: 4 }));
      expect(found.slice(0, 3).map(({ passage }) => passage.collection)).toEqual(
        Array(3).fill('strong'),
      );
    }
    const twice = { ...asked, collections: ['strong', 'strong'], count: 9 };
    expect(unwrap(await library.search(twice)).found).toHaveLength(3);
  });

  it('[LIB31] weighs by trust before it cuts', async () => {
    const { library } = openLibrary();
    const words = 'The relief valve opens at 12 bar.';
    for (let i = 0; i < 5; i++)
      unwrap(await library.add('manuals', document(`forum${i}.md`, words, { trust: 0.1 })));
    const maker = document('maker.md', `${words} It is made of brass and weighs two pounds.`);
    unwrap(await library.add('manuals', maker));
    const asked = { collections: ['manuals'], text: 'relief valve opens', reader: anybody };
    const { found } = unwrap(await library.search({ ...asked, count: 1 }));
    expect(found.map(({ passage }) => passage.uri)).toEqual(['maker.md']);
  });

  it('[RNK2] finds by the words of what a question finds, where it is told to', async () => {
    const { collections } = openLibrary({ words: true });
    const ports = { collections, digestOf: sha256, clock: createVirtualClock(), log: silentLog };
    const library = createLibrary({ ...ports, expandsWords: true });
    const texts = ['The bilge pump is an impeller pump.', 'An impeller wears.', 'A rope frays.'];
    for (const [i, text] of texts.entries())
      unwrap(await library.add('manuals', document(`${i}.md`, text)));
    const asked = { collections: ['manuals'], text: 'bilge', count: 9, reader: anybody };
    const uris = async (by: typeof library) =>
      unwrap(await by.search(asked)).found.map(({ passage }) => passage.uri);
    expect(await uris(createLibrary(ports))).toEqual(['0.md']);
    expect(await uris(library)).toEqual(['0.md', '1.md']);
  });

  it('[LIB3] without an embedder is searched by words, and says so', async () => {
    const { library } = openLibrary({ words: true });
    unwrap(await library.add('manuals', pump));
    const asked = { collections: ['manuals'], text: 'oil filter', count: 3, reader: anybody };
    const outcome = unwrap(await library.search(asked));
    expect(outcome).toMatchObject({ mode: 'words' });
    expect(outcome.found[0]?.passage.text).toContain('oil filter');
    expect(await library.search({ ...asked, mode: 'vectors' })).toMatchObject({
      error: { code: 'unavailable' },
    });
  });

  it('[LIB4] has the vectors of what was taken in without an embedder once it is taken in with one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-library-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const before = openLibrary({ folder, words: true });
    unwrap(await before.library.add('manuals', pump));
    expect(unwrap(await before.library.add('manuals', pump)).unchanged).toBe(true);
    await before.collections.close();
    const { library } = openLibrary({ folder });
    const added = unwrap(await library.add('manuals', pump));
    expect(added).toMatchObject({ unchanged: false, document: { version: 2 } });
    expect(added.document.vectors).toBe(added.passages);
    const asked = { collections: ['manuals'], text: 'oil filter', count: 3, reader: anybody };
    const outcome = unwrap(await library.search({ ...asked, mode: 'vectors' }));
    expect(outcome.found[0]?.passage).toMatchObject({ heading: 'Filter' });
    expect(unwrap(await library.add('manuals', pump)).unchanged).toBe(true);
  });

  it('[LIB9] takes any text as a question: ten thousand strings, and FTS5’s own signs', async () => {
    const { library } = openLibrary({ words: true });
    unwrap(await library.add('manuals', pump));
    const random = createRandom(3);
    const signs = [
      '"',
      '*',
      '(',
      ')',
      ':',
      '^',
      '-',
      '+',
      'NEAR',
      'AND',
      'NOT',
      '{',
      "'",
      '\0',
      'ü',
      '深',
      '🜂',
      ' ',
    ];
    for (let i = 0; i < 10_000; i++) {
      const length = 1 + Math.floor(random.next() * 12);
      const text = Array.from(
        { length },
        () => signs[Math.floor(random.next() * signs.length)],
      ).join('');
      const outcome = await library.search({
        collections: ['manuals'],
        text,
        count: 3,
        reader: anybody,
      });
      if (!outcome.ok) expect(outcome.error.code).toBe('invalid_argument');
    }
    for (const text of [
      "what's up",
      'foo-bar',
      'c++',
      'user:admin',
      '"',
      'a OR',
      'NEAR(pump filter)',
    ])
      expect(
        (await library.search({ collections: ['manuals'], text, count: 3, reader: anybody })).ok ||
          contentless(text),
      ).toBe(true);
  }, 60_000);

  it('[LIB10] what is deleted is in none of its files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-library-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { library } = openLibrary({ folder });
    const secret = document(
      'secret.md',
      '# Safe\n\nThe combination of the xylophonic safe is quinquagesimal forty-two.',
    );
    unwrap(await library.add('manuals', pump));
    unwrap(await library.add('manuals', secret));
    unwrap(await library.add('manuals', document('secret.md', `${secret.text} It was changed.`)));
    const vector = unwrap(await createWordEmbedder().embed(['x']));
    expect(vector.length).toBe(64);
    const holds = (word: string): boolean =>
      readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(word));
    expect(holds('quinquagesimal')).toBe(true);
    const thread = unwrap(await library.collections.open('manuals'));
    expect(unwrap(await thread.remove('secret.md'))).toBe(2);
    for (const word of ['quinquagesimal', 'xylophon', 'secret.md', 'quinquagesim'])
      expect(holds(word)).toBe(false);
    expect(holds('brass valve')).toBe(true);
    expect(unwrap(await library.collections.remove('manuals'))).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('[LIB11] a file with another embedder’s vectors is refused, by name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skerry-library-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { library, collections } = openLibrary({ folder });
    unwrap(await library.add('manuals', pump));
    await collections.close();
    const other = { digest: `sha256:${'f'.repeat(64)}`, dimensions: 64 };
    const again = createDirectCollections({ folder, embedder: other });
    onTestFinished(() => again.close());
    expect(await again.open('manuals')).toMatchObject({ error: { code: 'invalid_config' } });
    expect(await again.open('../manuals')).toMatchObject({ error: { code: 'invalid_argument' } });
    expect(await again.remove('x/../manuals')).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });
});

it('[LIB3] searches a collection by its vectors also where it is named as every object’s own', async () => {
  const { library } = openLibrary();
  unwrap(await library.add('constructor', pump));
  const asked = { collections: ['constructor'], text: 'pump', count: 1 };
  const outcome = unwrap(await library.search({ ...asked, reader: { principals: [] } }));
  expect(outcome.found[0]?.similarity).toBeDefined();
});

it('[LIB6] is as confident as if what the reader may not read were not there', async () => {
  const confidence = async (more: readonly SourceDocument[]): Promise<number> => {
    const { library } = openLibrary();
    unwrap(await library.add('manuals', pump));
    for (const each of more) unwrap(await library.add('manuals', each));
    const question = 'Is the pump of the xylophone bled?';
    const asked = { question, collections: ['manuals'], reader: anybody };
    return unwrap(await askLibrary(library, asked)).confidence;
  };
  const hidden = (readers: readonly string[]) =>
    Array.from({ length: 9 }, (_, i) =>
      document(`${i}.md`, `The xylophone has ${i} bars.`, { readers }),
    );
  const alone = await confidence([]);
  expect(alone).toBeGreaterThan(0);
  expect(await confidence(hidden(['crew']))).toBe(alone);
});

it('[LIB7] tells passages of two collections apart that have one number', () => {
  const at = (collection: string, text: string): Passage => ({
    collection,
    text,
    id: 1,
    uri: 'a.md',
    title: '',
    heading: '',
    digest: 'd',
    version: 1,
    ordinal: 0,
    start: 0,
    end: text.length,
    trust: 1,
  });
  const candidates = candidatesOf([
    at('one', 'The winch pulls four tonnes up.'),
    at('two', 'The winch pulls nine tonnes up.'),
  ]);
  const extract = extractAnswer('What does the winch pull up?', candidates, {
    rarity: new Map(),
    similarities: [0.5, 0.5],
    passageSimilarity: new Map([
      ['one 1', 0.1],
      ['two 1', 0.9],
    ]),
  });
  expect(extract?.citations.map(({ collection }) => collection)).toEqual(['two']);
});

it('[LIB9] counts no more words of a question than are searched for', async () => {
  const { library } = openLibrary({ words: true });
  unwrap(await library.add('manuals', pump));
  let counted: readonly string[] = [];
  const open: typeof library.collections.open = async (name) => {
    const thread = unwrap(await library.collections.open(name));
    const countWords: typeof thread.countWords = (words, filter) => {
      counted = words;
      return thread.countWords(words, filter);
    };
    return ok({ ...thread, countWords });
  };
  const question = `pump ${Array.from({ length: 5_000 }, (_, i) => `word${i}`).join(' ')}`;
  const spied = { ...library, collections: { ...library.collections, open } };
  unwrap(await askLibrary(spied, { question, collections: ['manuals'], reader: anybody }));
  expect(counted.length).toBe(queryWordsMax);
});

const contentless = (text: string): boolean => !/[\p{L}\p{N}]/u.test(text);
