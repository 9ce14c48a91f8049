// An answer in the library's own words: the sentences that say most of what was asked, each with where it stands. Nothing
// is made up, so nothing is cited that is not there; whether it is an answer is told by a confidence that is calibrated.

import { queryWordsOf, wordsOf } from './match-query.ts';
import { type Passage, passageKey, type Span } from './passage.ts';
import { atomsOf } from './split-text.ts';

/** Where a sentence of an answer stands, and what stands there: one is checked by the other. */
export interface Citation extends Span {
  readonly collection: string;
  readonly uri: string;
  readonly title: string;
  readonly heading: string;
  readonly version: number;
  /** sha256 of the document's bytes. */
  readonly digest: string;
  readonly passage: number;
  readonly page?: number;
  readonly text: string;
}

/** A sentence that may answer. */
export interface Candidate {
  readonly passage: Passage;
  /** In the passage's text. */
  readonly at: Span;
  readonly text: string;
  /** Its place among the sentences of its passage. */
  readonly ordinal: number;
}

export interface Weighing {
  /** How rare each word of the question is in the library, above 0. */
  readonly rarity: ReadonlyMap<string, number>;
  /** Cosine of the question and each candidate, in their order; absent where there is no embedder. */
  readonly similarities?: readonly number[];
  /** Of each passage, by its key: the cosine of the search. */
  readonly passageSimilarity: ReadonlyMap<string, number>;
}

export interface Extract {
  readonly text: string;
  readonly citations: readonly Citation[];
  /** What the confidence is made of: each 0–1. */
  readonly features: AnswerFeatures;
}

export interface AnswerFeatures {
  /** Cosine of the question and the best sentence. */
  readonly sentence: number;
  /** Cosine of the question and the best passage. */
  readonly passage: number;
  /** Of the question's words, by their rarity, the share that the answer's passage has. */
  readonly coverage: number;
}

const sentencesMax = 64;
const answerSentencesMax = 3;
/** Shorter ones are headings, labels and remains. */
const wordsMin = 4;
const sentenceCharactersMax = 600;

/** Of the best passages, in order. */
export function candidatesOf(passages: readonly Passage[]): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const passage of passages) {
    let ordinal = 0;
    for (const { start, end, level } of atomsOf(passage.text)) {
      if (candidates.length >= sentencesMax) return candidates;
      const text = passage.text.slice(start, end).trim();
      if (level !== undefined || wordsOf(text).length < wordsMin) continue;
      const lead = passage.text.slice(start, end).indexOf(text);
      const at = { start: start + lead, end: start + lead + text.length };
      candidates.push({
        passage,
        at,
        text: text.slice(0, sentenceCharactersMax),
        ordinal: ordinal++,
      });
    }
  }
  return candidates;
}

/** Undefined where there is no sentence at all. */
export function extractAnswer(
  question: string,
  candidates: readonly Candidate[],
  weighing: Weighing,
): Extract | undefined {
  const words = queryWordsOf(question);
  const scores = candidates.map((candidate, i) => scoreOf(words, candidate, i, weighing));
  const best = scores.indexOf(Math.max(...scores));
  const first = candidates[best];
  if (first === undefined) return undefined;
  const chosen = chooseAround(candidates, scores, best);
  const { passageSimilarity, similarities } = weighing;
  return {
    text: chosen.map(({ text }) => text.replace(/\s+/g, ' ')).join(' '),
    citations: chosen.map(({ passage, at, text }) => citationAt(passage, at.start, text)),
    features: {
      sentence: clamp(Math.max(...chosen.map((c) => similarities?.[candidates.indexOf(c)] ?? 0))),
      passage: clamp(Math.max(0, ...passageSimilarity.values())),
      coverage: coverageOf(
        words,
        `${first.passage.heading} ${first.passage.text}`,
        weighing.rarity,
      ),
    },
  };
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value));

/** The best sentence, and those beside it that say nearly as much. */
function chooseAround(
  candidates: readonly Candidate[],
  scores: readonly number[],
  best: number,
): readonly Candidate[] {
  const enough = (scores[best] as number) * 0.7;
  let from = best;
  let to = best;
  const isNext = (a: number, b: number): boolean =>
    keyAt(candidates, a) === keyAt(candidates, b) && (scores[b] ?? 0) >= enough;
  while (to - from + 1 < answerSentencesMax) {
    const before = isNext(from, from - 1) ? (scores[from - 1] as number) : -1;
    const after = isNext(to, to + 1) ? (scores[to + 1] as number) : -1;
    if (before < 0 && after < 0) break;
    if (after >= before) to++;
    else from--;
  }
  return candidates.slice(from, to + 1);
}

const keyAt = (candidates: readonly Candidate[], i: number): string | undefined => {
  const passage = candidates[i]?.passage;
  return passage && passageKey(passage);
};

/** Of half: what its vector says; of the other: how many of the question's words it has. */
function scoreOf(
  words: readonly string[],
  { passage, text }: Candidate,
  i: number,
  { rarity, similarities, passageSimilarity }: Weighing,
): number {
  const own = coverageOf(words, text, rarity);
  const around = coverageOf(words, `${passage.title} ${passage.heading} ${passage.text}`, rarity);
  const similarity = similarities?.[i];
  const lexical = 0.7 * own + 0.3 * around;
  if (similarity === undefined) return lexical;
  return (
    0.4 * lexical + 0.45 * similarity + 0.15 * (passageSimilarity.get(passageKey(passage)) ?? 0)
  );
}

/** The share of the words, by their rarity, that a text has in some form. */
function coverageOf(
  words: readonly string[],
  text: string,
  rarity: ReadonlyMap<string, number>,
): number {
  const has = [...new Set(wordsOf(text))];
  let all = 0;
  let found = 0;
  for (const word of words) {
    const weight = rarity.get(word) ?? 1;
    all += weight;
    if (has.some((other) => isSameWord(word, other))) found += weight;
  }
  return all === 0 ? 0 : found / all;
}

const stemMin = 4;
const endingMax = 4;

/** In some form: one begins as the other does, but for an ending. */
function isSameWord(a: string, b: string): boolean {
  if (a === b) return true;
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  return same >= stemMin && a.length - same <= endingMax - 1 && b.length - same <= endingMax - 1;
}

/** What stands in a passage from there on, in the passage's own text. */
export function citationAt(passage: Passage, at: number, text: string): Citation {
  const { collection, uri, title, heading, version, digest, id, page } = passage;
  const start = passage.start + at;
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

/** Whether what is cited stands where it is said to: against the passage as it is stored now. */
export const isVerified = (citation: Citation, stored: Passage | undefined): boolean =>
  stored !== undefined &&
  stored.digest === citation.digest &&
  stored.version === citation.version &&
  stored.text.slice(citation.start - stored.start, citation.end - stored.start) === citation.text;
