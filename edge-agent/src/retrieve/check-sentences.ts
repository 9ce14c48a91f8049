// What a language model has said, sentence by sentence, against the passages that it names: mechanically, since nobody
// here can judge meaning. A sentence whose numbers and most of whose words its passage does not have is marked, not hidden.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type Quote, quoteCharactersMax, saidCharactersMax } from '@skerry/sync-protocol';
import { type CheckedCitation, checkCitations } from './ask.ts';
import type { CollectionFilter, TextAt } from './collection-file.ts';
import type { CollectionThread } from './collections.ts';
import { type Citation, citationAt } from './extract-answer.ts';
import type { Library } from './library.ts';
import { contentWordsOf, wordsOf } from './match-query.ts';
import type { Passage, Reader } from './passage.ts';
import { atomsOf } from './split-text.ts';

export interface CheckedSaid {
  readonly text: string;
  readonly citations: readonly CheckedCitation[];
  /** Sentences that no passage was found to bear out. */
  readonly unverified: readonly string[];
}

/** In OpenAI's API nobody says who asks: for everybody. */
const everybody: Reader = { principals: [] };
const mark = /\s*\[(\d{1,2})\]/g;
/** `2.`: numbers a sentence, and claims nothing. */
const bullet = /^\(?\d{1,2}[.)]$/;
/** Of a sentence's content words, those that its passage must have. */
const supportMin = 0.6;

/**
 * Fails where a collection cannot be read.
 * @param passages by their numbers, from 1; undefined: one that is not there any more
 */
export async function checkSentences(
  library: Pick<Library, 'collections'>,
  said: string,
  passages: readonly (Passage | undefined)[],
): Promise<Result<CheckedSaid>> {
  const text = said.trim().slice(0, saidCharactersMax);
  const citations: (Citation & Pick<CheckedCitation, 'number'>)[] = [];
  const unverified: string[] = [];
  for (const { sentence, plain } of claimsOf(text)) {
    const bearing = [...sentence.matchAll(mark)].flatMap(([, named]) => {
      const number = Number(named);
      const passage = passages[number - 1];
      return passage !== undefined && bearsOut(passage, plain)
        ? [{ ...citationIn(passage, plain), number }]
        : [];
    });
    if (bearing.length === 0) unverified.push(plain);
    citations.push(...bearing);
  }
  const checked = await checkCitations(library, citations, everybody);
  return checked.ok ? ok({ text, citations: checked.value, unverified }) : checked;
}

/**
 * What a library elsewhere has said, by what it says that it has said it from: looked up in the documents that are here
 * too. What is not here cannot be looked up. A sentence stands where what was looked up is what it says.
 */
export async function checkQuotes(
  { collections }: Pick<Library, 'collections'>,
  said: string,
  quotes: readonly Quote[],
): Promise<Result<CheckedSaid>> {
  const names = await collections.list();
  if (!names.ok) return names;
  const threads: CollectionThread[] = [];
  for (const name of names.value) {
    const thread = await collections.open(name);
    if (!thread.ok) return thread;
    threads.push(thread.value);
  }
  return checkQuotesIn(threads, said, quotes, everybody.principals);
}

/** As checkQuotes, in these collections alone. */
export async function checkQuotesIn(
  threads: readonly CollectionThread[],
  said: string,
  quotes: readonly Quote[],
  principals: CollectionFilter['principals'],
): Promise<Result<CheckedSaid>> {
  const citations: CheckedCitation[] = [];
  for (const quote of quotes) {
    const stored = await lookUp(threads, quote, principals);
    if (!stored.ok) return stored;
    const unknown = { ...quote, collection: '', version: 0, passage: 0, verified: false };
    citations.push(stored.value ?? unknown);
  }
  const text = said.trim().slice(0, saidCharactersMax);
  const verified = citations.filter((citation) => citation.verified);
  const whole = oneSpaced(verified.map((citation) => citation.text).join(' '));
  const unverified = claimsOf(text)
    .map(({ plain }) => plain)
    .filter(
      (plain) =>
        !whole.includes(oneSpaced(plain)) && !verified.some((each) => bearsOut(each, plain)),
    );
  return ok({ text, citations, unverified });
}

/** Of what others have said: it is no answer where nothing in the library bears any of it out. */
export function knowing(said: Result<CheckedSaid>): Result<CheckedSaid> {
  if (!said.ok || said.value.citations.some(({ verified }) => verified)) return said;
  return err(failure('not_found', 'nobody else knows'));
}

/** The quote as it is stored here, with the title and the heading that are its own here; undefined where it is not. */
async function lookUp(
  threads: readonly CollectionThread[],
  quote: Quote,
  principals: CollectionFilter['principals'],
): Promise<Result<CheckedCitation | undefined>> {
  const stands = (there: TextAt | undefined): there is TextAt =>
    there?.digest === quote.digest && there.text === quote.text;
  for (const thread of threads) {
    const there = await thread.textAt(quote.uri, quote.start, quote.end);
    if (!there.ok) return there;
    if (!stands(there.value)) continue;
    const { version, passage } = there.value;
    const stored = await thread.passages([passage], { principals });
    if (!stored.ok) return stored;
    const [own] = stored.value;
    if (own === undefined) continue;
    const { title, heading } = own;
    const at = { collection: thread.name, version, passage };
    return ok({ ...quote, ...at, title, heading, verified: true });
  }
  return ok(undefined);
}

/** Sentences that claim something: two words of content, or a number. */
function claimsOf(said: string): readonly { readonly sentence: string; readonly plain: string }[] {
  const joined = joinMarks(said);
  return atomsOf(joined).flatMap(({ start, end }) => {
    const sentence = joined.slice(start, end).trim();
    const plain = sentence.replace(mark, '').trim();
    const claims =
      contentWordsOf(plain).length >= 2 || (/\p{N}/u.test(plain) && !bullet.test(plain));
    return claims ? [{ sentence, plain }] : [];
  });
}

const oneSpaced = (text: string): string => text.replace(/\s+/g, ' ');

/** `… done. [2]` cites with the sentence before. */
const joinMarks = (said: string): string => said.replace(/([.!?])((?:\s*\[\d{1,2}\])+)/g, '$2$1');

function bearsOut(
  { title, heading, text }: Pick<Passage, 'title' | 'heading' | 'text'>,
  sentence: string,
): boolean {
  const has = new Set(wordsOf(`${title} ${heading} ${text}`));
  const words = contentWordsOf(sentence);
  const numbers = words.filter((word) => /\d/.test(word));
  if (numbers.some((number) => !has.has(number))) return false;
  const stems = new Set([...has].map((word) => word.slice(0, 5)));
  const found = words.filter((word) => has.has(word) || stems.has(word.slice(0, 5)));
  return found.length >= words.length * supportMin;
}

/** The sentence of the passage that shares most words with what was said. */
function citationIn(passage: Passage, sentence: string): Citation {
  const words = new Set(contentWordsOf(sentence));
  let best = { start: 0, end: passage.text.length };
  let most = -1;
  for (const { start, end } of atomsOf(passage.text)) {
    const shared = new Set(
      wordsOf(passage.text.slice(start, end)).filter((word) => words.has(word)),
    );
    if (shared.size > most) {
      most = shared.size;
      best = { start, end };
    }
  }
  const whole = passage.text.slice(best.start, best.end);
  const text = whole.trim().slice(0, quoteCharactersMax);
  return citationAt(passage, best.start + whole.indexOf(text), text);
}
