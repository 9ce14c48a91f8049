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

/** In lower case, in order; letters and digits of any script. */
export const wordsOf = (text: string): readonly string[] =>
  (text.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}]*/gu) ?? []).map((word) =>
    word.slice(0, wordCharactersMax),
  );

/** Those that say what it is about; all of them, where it has no others. */
export function contentWordsOf(text: string): readonly string[] {
  const words = wordsOf(text);
  const content = words.filter((word) => !stopWords.has(word));
  return content.length === 0 ? words : content;
}

/** Those of a question, each once, and no more than are searched for. */
export const queryWordsOf = (question: string): readonly string[] =>
  [...new Set(contentWordsOf(question))].slice(0, queryWordsMax);

/** Any of the words; undefined where there is none. */
export function matchQuery(text: string): string | undefined {
  const words = queryWordsOf(text);
  return words.length === 0 ? undefined : words.map(quoted).join(' OR ');
}

/** As one of FTS5's strings. */
export const quoted = (word: string): string => `"${word.replaceAll('"', '""')}"`;
