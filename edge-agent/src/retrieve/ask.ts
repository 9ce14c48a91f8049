// A question to the library: found passages, the sentences of them that answer, and how sure that is. Every citation is
// read again from the collection before it is given.

import { err, failure, ok, type Result } from '@skerry/shared';
import { confidenceOf, wordsConfidence } from './answer-confidence.ts';
import {
  type Candidate,
  type Citation,
  candidatesOf,
  extractAnswer,
  isVerified,
} from './extract-answer.ts';
import { ownWordsOf } from './follow-up.ts';
import type { FoundPassage, Library, SearchOutcome } from './library.ts';
import { queryWordsOf } from './match-query.ts';
import { type Passage, passageKey, type Reader, type SearchFilter } from './passage.ts';

export interface AskRequest {
  readonly question: string;
  /** Of a question that goes on from another: that one, and the sentences that have been said to it. */
  readonly goesOn?: GoesOn | undefined;
  readonly collections: readonly string[];
  readonly reader: Reader;
  readonly filter?: SearchFilter;
  /** Nobody waits any more: what is not begun is left. */
  readonly signal?: AbortSignal;
}

export interface GoesOn {
  readonly topic: string;
  /** Not said again. */
  readonly given: ReadonlySet<string>;
}

export type CheckedCitation = Citation & {
  /** Stands in the collection, letter by letter, now. */
  readonly verified: boolean;
  /** By which a language model names its passage in what it has said. */
  readonly number?: number;
};

export interface LibraryAnswer {
  /** Absent: the library does not know. */
  readonly text?: string;
  readonly citations: readonly CheckedCitation[];
  /** That the library holds what was asked, 0–1. */
  readonly confidence: number;
  readonly threshold: number;
  /** Nobody else needs to be asked. */
  readonly isSure: boolean;
  /** What was found, best first: of an answer of somebody else, what it may say. */
  readonly found: readonly FoundPassage[];
  readonly mode: 'hybrid' | 'words' | 'vectors';
  readonly snapshots: readonly string[];
  readonly published: SearchOutcome['published'];
}

/** Passages that a question is answered from. */
const passagesMax = 6;
/** Sentences whose vectors are made for one question: each takes a millisecond or two. */
const candidatesMax = 24;
/** Without their vectors the question's words tell. */
const sentencesMsMax = 5_000;
const ownWordWeight = 2;

export async function askLibrary(
  library: Library,
  request: AskRequest,
): Promise<Result<LibraryAnswer>> {
  const { collections, reader, filter, goesOn } = request;
  const question = wholeQuestion(request);
  const searched = await library.search({
    collections,
    text: question,
    count: passagesMax,
    reader,
    ...(filter === undefined ? {} : { filter }),
  });
  if (!searched.ok) return searched;
  if (request.signal?.aborted) return err(failure('deadline_exceeded', 'nobody waits any more'));
  const { found, mode, snapshots, published, vector } = searched.value;
  const sentences = candidatesOf(found.map(({ passage }) => passage));
  const fresh = sentences.filter(({ text }) => !goesOn?.given.has(text));
  const candidates = shortlist(fresh, question);
  const similarities = vector && (await similaritiesOf(library, vector, candidates));
  if (similarities?.ok === false) return similarities;
  // Of an embedder that went away meanwhile there is no cosine to weigh.
  const model = (similarities?.value && library.embedder?.answers) ?? wordsConfidence;
  const nothing = {
    isSure: false,
    citations: [],
    confidence: 0,
    threshold: model.threshold,
    found,
    mode,
    snapshots,
    published,
  };
  const rarity = await rarityOf(library, request);
  if (!rarity.ok) return rarity;
  const extract = extractAnswer(question, candidates, {
    rarity: rarity.value,
    ...(similarities?.value === undefined ? {} : { similarities: similarities.value }),
    passageSimilarity: new Map(
      found.map(({ passage, similarity = 0 }) => [passageKey(passage), similarity]),
    ),
  });
  if (extract === undefined) return ok(nothing);
  const confidence = confidenceOf(extract.features, model);
  const checked = await checkCitations(library, extract.citations, reader);
  if (!checked.ok) return checked;
  const knows = confidence >= model.threshold && checked.value.every(({ verified }) => verified);
  return ok({
    ...nothing,
    confidence,
    citations: checked.value,
    isSure: knows && confidence >= model.sure,
    ...(knows ? { text: extract.text } : {}),
  });
}

/** What is searched, and what whoever else is asked is given: a question by itself. */
export const wholeQuestion = ({
  question,
  goesOn,
}: Pick<AskRequest, 'question' | 'goesOn'>): string =>
  goesOn === undefined ? question : `${goesOn.topic} ${question}`;

/** Those of more than there is time for that share most words with the question, in their order. */
function shortlist(candidates: readonly Candidate[], question: string): readonly Candidate[] {
  if (candidates.length <= candidatesMax) return candidates;
  const words = queryWordsOf(question);
  const score = ({ text }: Candidate): number => {
    const lower = text.toLowerCase();
    return words.filter((word) => lower.includes(word.slice(0, 5))).length;
  };
  const best = candidates.toSorted((a, b) => score(b) - score(a)).slice(0, candidatesMax);
  return candidates.filter((candidate) => best.includes(candidate));
}

async function similaritiesOf(
  { embedder }: Library,
  vector: Float32Array,
  candidates: readonly Candidate[],
): Promise<Result<readonly number[] | undefined>> {
  if (embedder === undefined) return ok(undefined);
  if (candidates.length === 0) return ok([]);
  const embedded = await embedder.embed(
    candidates.map(({ text }) => text),
    sentencesMsMax,
  );
  if (!embedded.ok) return embedder.isElsewhere ? ok(undefined) : embedded;
  const { dimensions } = embedder;
  return ok(
    candidates.map((_, i) => {
      let sum = 0;
      for (let d = 0; d < dimensions; d++)
        sum += (vector[d] as number) * (embedded.value[i * dimensions + d] as number);
      return sum;
    }),
  );
}

/**
 * As BM25 weighs a word, and above 0: among what the reader may read, or it would tell of the rest. What a question says
 * itself counts more than what it goes on from.
 */
async function rarityOf(
  { collections }: Library,
  request: AskRequest,
): Promise<Result<ReadonlyMap<string, number>>> {
  const { collections: names, reader } = request;
  const words = queryWordsOf(wholeQuestion(request));
  const own = new Set(request.goesOn === undefined ? [] : ownWordsOf(request.question));
  const counts = new Map(words.map((word) => [word, 0]));
  let passages = 0;
  for (const name of names) {
    const thread = await collections.open(name);
    if (!thread.ok) return thread;
    const counted = await thread.value.countWords(words, { principals: reader.principals });
    if (!counted.ok) return counted;
    passages += counted.value.passages;
    for (const [i, word] of words.entries())
      counts.set(word, (counts.get(word) ?? 0) + (counted.value.counts[i] ?? 0));
  }
  const rarity = ([word, n]: [string, number]): [string, number] => [
    word,
    Math.log(1 + passages / (n + 0.5)) * (own.has(word) ? ownWordWeight : 1),
  ];
  return ok(new Map([...counts].map(rarity)));
}

/** Each against what its collection holds now for this reader. */
export async function checkCitations(
  { collections }: Pick<Library, 'collections'>,
  citations: readonly (Citation & Pick<CheckedCitation, 'number'>)[],
  reader: Reader,
): Promise<Result<readonly CheckedCitation[]>> {
  const stored = new Map<string, Passage>();
  for (const name of new Set(citations.map(({ collection }) => collection))) {
    const thread = await collections.open(name);
    if (!thread.ok) return thread;
    const ids = citations.filter(({ collection }) => collection === name).map((c) => c.passage);
    const read = await thread.value.passages(ids, { principals: reader.principals });
    if (!read.ok) return read;
    for (const passage of read.value) stored.set(passageKey(passage), passage);
  }
  return ok(
    citations.map((citation) => ({
      ...citation,
      verified: isVerified(citation, stored.get(passageKey({ ...citation, id: citation.passage }))),
    })),
  );
}
