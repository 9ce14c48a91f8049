// What a language model has said, sentence by sentence, against the passages that it names: mechanically, since nobody
// here can judge meaning. A sentence whose numbers and most of whose words its passage does not have is marked, not hidden.

import { ok, type Result } from '@skerry/shared';
import type { Quote } from '@skerry/sync-protocol';
import { type CheckedCitation, checkCitations } from './ask.ts';
import type { Citation } from './extract-answer.ts';
import type { Library } from './library.ts';
import { contentWordsOf, wordsOf } from './match-query.ts';
import type { Passage } from './passage.ts';
import { atomsOf } from './split-text.ts';

export interface CheckedSaid {
  readonly text: string;
  readonly citations: readonly CheckedCitation[];
  /** Sentences that no passage was found to bear out. */
  readonly unverified: readonly string[];
}

const mark = /\s*\[(\d{1,2})\]/g;
/** Of a sentence's content words, those that its passage must have. */
const supportMin = 0.6;

/** Fails where a collection cannot be read. */
export async function checkSentences(
  library: Pick<Library, 'collections'>,
  said: string,
  passages: readonly Passage[],
): Promise<Result<CheckedSaid>> {
  const citations: Citation[] = [];
  const unverified: string[] = [];
  for (const { start, end } of atomsOf(joinMarks(said))) {
    const sentence = joinMarks(said).slice(start, end).trim();
    const plain = sentence.replace(mark, '').trim();
    if (contentWordsOf(plain).length < 2) continue;
    const named = [...sentence.matchAll(mark)].map(([, number]) => passages[Number(number) - 1]);
    const bearing = named.filter((passage) => passage !== undefined && bearsOut(passage, plain));
    if (bearing.length === 0) unverified.push(plain);
    for (const passage of bearing)
      if (passage !== undefined) citations.push(citationIn(passage, plain));
  }
  const checked = await checkCitations(library, citations);
  if (!checked.ok) return checked;
  const text = said.trim();
  return ok({ text, citations: checked.value, unverified });
}

/**
 * What a library elsewhere has said, by what it says that it has said it from: looked up in the documents that are here
 * too. What is not here cannot be looked up, and is marked.
 */
export async function checkQuotes(
  { collections }: Pick<Library, 'collections'>,
  text: string,
  quotes: readonly Quote[],
): Promise<Result<CheckedSaid>> {
  const names = await collections.list();
  if (!names.ok) return names;
  const citations: CheckedCitation[] = [];
  for (const quote of quotes) {
    const unknown = { ...quote, collection: '', version: 0, passage: 0, verified: false };
    let checked: CheckedCitation = unknown;
    for (const collection of names.value) {
      const thread = await collections.open(collection);
      if (!thread.ok) return thread;
      const there = await thread.value.textAt(quote.uri, quote.start, quote.end);
      if (!there.ok) return there;
      if (there.value?.digest !== quote.digest || there.value.text !== quote.text) continue;
      const { version, passage } = there.value;
      checked = { ...quote, collection, version, passage, verified: true };
    }
    citations.push(checked);
  }
  const unverified = citations.filter(({ verified }) => !verified).map((citation) => citation.text);
  return ok({ text: text.trim(), citations, unverified });
}

/** `… done. [2]` cites with the sentence before. */
const joinMarks = (said: string): string => said.replace(/([.!?])((?:\s*\[\d{1,2}\])+)/g, '$2$1');

function bearsOut(passage: Passage, sentence: string): boolean {
  const has = new Set(wordsOf(`${passage.title} ${passage.heading} ${passage.text}`));
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
  const { collection, uri, title, heading, version, digest, id, page } = passage;
  const whole = passage.text.slice(best.start, best.end);
  const text = whole.trim();
  const start = passage.start + best.start + whole.indexOf(text);
  return {
    collection,
    uri,
    title,
    heading,
    version,
    digest,
    passage: id,
    start,
    end: start + text.length,
    ...(page === undefined ? {} : { page }),
    text,
  };
}
