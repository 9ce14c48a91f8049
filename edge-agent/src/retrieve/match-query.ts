// What a person has typed as an FTS5 expression. Every word is quoted, so that no text is a syntax error and none is an
// operator (https://sqlite.org/fts5.html §3); common words are left out where others remain.

/** Of a question: what comes after them is left out. */
export const queryWordsMax = 64;
const wordCharactersMax = 64;

const stopWords = new Set(
  (
    'a about an and are as at be been but by can could did do does for from had has have how i if in into is it its me my no ' +
    'not of on or our she he should so some than that the their them then there these they this to was we were what ' +
    'when where which who why will with would you your'
  ).split(' '),
);

/** It says nothing of what a text is about. */
export const isCommonWord = (word: string): boolean => stopWords.has(word);

/** In lower case, in order; letters and digits of any script. */
export const wordsOf = (text: string): readonly string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}]*/gu) ?? []).map((word) =>
    word.slice(0, wordCharactersMax),
  );

/** Those that say what it is about; all of them, where it has no others. */
export function contentWordsOf(text: string): readonly string[] {
  const words = wordsOf(text);
  const content = words.filter((word) => !isCommonWord(word));
  return content.length === 0 ? words : content;
}

/** Those of a question, each once, and no more than are searched for. */
export const queryWordsOf = (question: string): readonly string[] =>
  [...new Set(contentWordsOf(question))].slice(0, queryWordsMax);

/** As one of FTS5's strings. */
export const quoted = (word: string): string => `"${word.replaceAll('"', '""')}"`;

const anyOf = (words: readonly string[]): string => words.map(quoted).join(' OR ');

/** What is searched for of a question's words. */
export interface WordsQuery {
  /** An FTS5 expression. */
  readonly match: string;
  /** By this its scores are BM25 of all the words. */
  readonly scale: number;
  /** Passages that have only words which are in many others are not looked at. */
  readonly isPartial: boolean;
}

/** Passages that are ranked; each costs half a microsecond or more. */
const rankedMax = 5_000;
/** Of those that are asked for, what is enough to leave the others. */
const enough = 4;

/**
 * A passage without any of a question's rarer words is hardly among its best where many have one (MaxScore: Turtle, Flood,
 * IP&M 31(6), 1995): only those that have one are ranked, by all words. Words that are in more than half of the passages
 * weigh nothing in SQLite's BM25, and are left out where there are others.
 * @param counts passages that have each word, in their order
 */
export function planWords(
  words: readonly string[],
  counts: readonly number[],
  { passages, wanted }: { readonly passages: number; readonly wanted: number },
): WordsQuery {
  const byRarity = words
    .map((word, i) => ({ word, count: counts[i] ?? 0 }))
    .sort((a, b) => a.count - b.count);
  const weighing = byRarity.filter(({ count }) => 2 * count <= passages);
  const chosen = weighing.some(({ count }) => count > 0) ? weighing : byRarity;
  let ranked = 0;
  let essential = 0;
  for (const { count } of chosen) {
    if (ranked >= enough * wanted && ranked + count > rankedMax) break;
    ranked += count;
    essential += 1;
  }
  const some = chosen.slice(0, essential).map(({ word }) => word);
  const others = chosen.slice(essential).map(({ word }) => word);
  const isPartial = chosen.length < words.length || others.length > 0;
  if (others.length === 0) return { match: anyOf(some), scale: 1, isPartial };
  // Every word stands here twice, so every score is twice what it is.
  const match = `(${anyOf(some)}) AND (${anyOf([...some, ...others, ...others])})`;
  return { match, scale: 0.5, isPartial };
}

/** All the words, whatever they cost. */
export const allWords = (words: readonly string[]): WordsQuery => ({
  match: anyOf(words),
  scale: 1,
  isPartial: false,
});
