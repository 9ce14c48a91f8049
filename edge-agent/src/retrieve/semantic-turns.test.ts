import { err, failure, ok, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { sampleDocument } from '../testing/sample-document.ts';
import { createWordEmbedder } from '../testing/word-embedder.ts';
import { createVectorMemory } from './cache/remember-vectors.ts';
import { createLibrary } from './library.ts';
import { semanticTurns, sentencesMax } from './semantic-turns.ts';
import type { Chunking } from './split-text.ts';
import type { TextEmbedder } from './text-embedder.ts';

const about = (what: string, count: number, from = 0): string =>
  Array.from(
    { length: count },
    (_, i) =>
      `The ${what} of this machine, as ${what} number ${from + i} has it, is ${what} work. `,
  ).join('');
/** One line, no paragraph: only their meaning tells them apart. */
const twoThings = about('winch', 12) + about('filter', 14);

function openLibrary(chunking: Chunking, options: { isElsewhere?: true } = {}) {
  const words = createWordEmbedder();
  let away = false;
  const embedder: TextEmbedder = {
    ...words,
    ...options,
    embed: async (texts) => (away ? err(failure('unavailable', 'no link')) : words.embed(texts)),
  };
  const collections = createDirectCollections({ folder: ':memory:', embedder });
  onTestFinished(() => collections.close());
  const memory = createVectorMemory({ digestOf: sha256, entriesMax: 1_000 });
  const library = createLibrary({
    ...{ collections, embedder, asked: memory.remembering(embedder), chunking },
    ...{ digestOf: sha256, clock: createVirtualClock(), log: silentLog },
  });
  const textsOf = async (text: string) => {
    const taken = unwrap(await library.add('manuals', sampleDocument('a.md', text)));
    const thread = unwrap(await collections.open('manuals'));
    const whole = unwrap(await thread.whole('a.md'));
    return { taken, texts: whole?.passages.map((passage) => passage.text) ?? [] };
  };
  return { textsOf, embedded: words.embedded, leave: () => (away = true) };
}

describe('semantic chunking', () => {
  it('[LIB56] ends a passage where the meaning turns, which the text’s own breaks do not tell', async () => {
    const { taken, texts } = await openLibrary('semantic').textsOf(twoThings);
    expect(taken.sentences).toBe(26);
    expect(texts.join('')).toBe(twoThings);
    expect(texts.filter((text) => /winch/.test(text) && /filter/.test(text))).toEqual([]);
    const { texts: recursive } = await openLibrary('recursive').textsOf(twoThings);
    expect(recursive.some((text) => /winch/.test(text) && /filter/.test(text))).toBe(true);
  });

  it('[LIB56] embeds nothing for what a passage holds, nor twice what it remembers', async () => {
    const { textsOf, embedded } = openLibrary('semantic');
    const short = await textsOf(
      `# Winch\n\n${about('winch', 4)}\n\n# Filter\n\n${about('filter', 4)}`,
    );
    expect(short.taken.sentences).toBe(0);
    await textsOf(twoThings);
    embedded.length = 0;
    expect((await textsOf(twoThings)).taken).toMatchObject({ unchanged: true, embedded: 0 });
    expect(embedded).toEqual([]);
    await textsOf(twoThings + about('filter', 1, 99));
    const sentences = embedded.filter((text) => !text.includes('\n'));
    expect(sentences).toEqual([about('filter', 1, 99).trim()]);
  });

  it('[LIB56] cuts as recursive does while the embedder is away', async () => {
    const away = openLibrary('semantic', { isElsewhere: true });
    away.leave();
    const { texts, taken } = await away.textsOf(twoThings);
    expect(taken).toMatchObject({ embedded: 0, sentences: 0 });
    expect(texts).toEqual((await openLibrary('recursive').textsOf(twoThings)).texts);
  });

  it('[LIB56] looks at so many sentences of a document', async () => {
    const embed = async (texts: readonly string[]) => ok(new Float32Array(2 * texts.length));
    const embedder = { ...createWordEmbedder(2), embed };
    const text = 'One more. '.repeat(sentencesMax + 50);
    const { sentences } = unwrap(await semanticTurns(text, 220, embedder));
    expect(sentences).toBe(sentencesMax);
  });
});
