// The device's library: takes documents in and finds their passages again. Words and vectors are two legs of one search;
// what neither an embedder nor a link is there for is found by its words.

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import type { AnswerConfidence } from './answer-confidence.ts';
import type { CollectionFilter, DocumentRecord, PreparedPassage } from './collection-file.ts';
import type { Collections, CollectionThread } from './collections.ts';
import { fuseRanks, type Leg } from './fuse-ranks.ts';
import { matchQuery } from './match-query.ts';
import type { Passage, Reader, SearchFilter, SourceDocument } from './passage.ts';
import { splitRows } from './split-text.ts';

/** What makes vectors; of `models`, or a service. */
export interface TextEmbedder {
  readonly digest: string;
  readonly dimensions: number;
  readonly tokensMax: number;
  readonly answers?: AnswerConfidence | undefined;
  countTokens(text: string): number;
  embed(texts: readonly string[]): Promise<Result<Float32Array<ArrayBuffer>>>;
}

export type SearchMode = 'hybrid' | 'words' | 'vectors';

export interface SearchRequest {
  readonly collections: readonly string[];
  readonly text: string;
  readonly count: number;
  readonly reader: Reader;
  readonly mode?: SearchMode;
  readonly filter?: SearchFilter;
}

export interface FoundPassage {
  readonly passage: Passage;
  /** Of the ranking; comparable within one search alone. */
  readonly score: number;
  /** Cosine of question and passage, where the vectors' leg has seen it. */
  readonly similarity?: number;
}

export interface SearchOutcome {
  readonly found: readonly FoundPassage[];
  /** What was searched how: a leg that is missing is said. */
  readonly mode: SearchMode;
  readonly engine?: string;
  /** Each collection as it was: `name@revision`. */
  readonly snapshots: readonly string[];
  /** The question's vector, where it was made. */
  readonly vector?: Float32Array;
}

export interface Intake {
  readonly document: DocumentRecord;
  readonly passages: number;
  /** Of its passages those whose vectors were not there already. */
  readonly embedded: number;
  /** The same bytes were there under the same terms, with all their vectors: nothing was done. */
  readonly unchanged: boolean;
}

export interface Library {
  add(
    collection: string,
    document: SourceDocument,
    onProgress?: (embedded: number, passages: number) => void,
  ): Promise<Result<Intake>>;
  search(request: SearchRequest): Promise<Result<SearchOutcome>>;
  readonly collections: Collections;
  readonly embedder: TextEmbedder | undefined;
}

export interface LibraryPorts {
  readonly collections: Collections;
  readonly embedder?: TextEmbedder | undefined;
  /** sha256 of a text, as `sha256:…`. */
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of a passage, where nothing counts tokens: so many characters are one. */
const charactersPerToken = 4;
/** Shorter than the embedder could read, since the title and the headings are embedded with it. */
const passageTokensMax = 220;
const headingTokensMax = 30;
/** Of each leg, before they are one. */
const legCount = 100;
const embedBatch = 16;

export function createLibrary(ports: LibraryPorts): Library {
  const { collections, embedder, digestOf, clock, log } = ports;
  const encoder = new TextEncoder();

  const split = ({ text, rows = [0] }: SourceDocument) =>
    splitRows(text, rows, {
      method: 'recursive',
      tokensMax: Math.min(
        passageTokensMax,
        (embedder?.tokensMax ?? Number.POSITIVE_INFINITY) - headingTokensMax - 2,
      ),
      countTokens:
        embedder?.countTokens ?? ((words) => Math.ceil(words.length / charactersPerToken)),
    });

  /** The passages with their vectors; those that the collection has already are taken from it. */
  const prepare = async (
    thread: CollectionThread,
    source: SourceDocument,
    onProgress: (embedded: number, passages: number) => void,
  ): Promise<
    Result<{ readonly passages: readonly PreparedPassage[]; readonly embedded: number }>
  > => {
    const spans = split(source).map((span) => {
      const text = embeddedText(source, span.heading, source.text.slice(span.start, span.end));
      return { span, text, textDigest: digestOf(encoder.encode(text)) };
    });
    if (embedder === undefined)
      return ok({
        passages: spans.map(({ span, textDigest }) => ({ ...span, textDigest })),
        embedded: 0,
      });
    const known = await thread.vectorsBy(spans.map(({ textDigest }) => textDigest));
    if (!known.ok) return known;
    const vectors = new Map(known.value);
    const missing = [...new Map(spans.map((each) => [each.textDigest, each.text]))].filter(
      ([digest]) => !vectors.has(digest),
    );
    for (let at = 0; at < missing.length; at += embedBatch) {
      const batch = missing.slice(at, at + embedBatch);
      const embedded = await embedder.embed(batch.map(([, text]) => text));
      if (!embedded.ok) return embedded;
      for (const [i, [digest]] of batch.entries())
        vectors.set(digest, vectorAt(embedded.value, i, embedder.dimensions));
      onProgress(at + batch.length, missing.length);
    }
    const passages = spans.map(({ span, textDigest }) => {
      const vector = vectors.get(textDigest);
      return { ...span, textDigest, ...(vector === undefined ? {} : { vector }) };
    });
    return ok({ passages, embedded: missing.length });
  };

  return {
    collections,
    embedder,
    async add(collection, source, onProgress = () => {}) {
      const thread = await collections.openOrCreate(collection);
      if (!thread.ok) return thread;
      const before = await thread.value.find(source.uri);
      if (!before.ok) return before;
      const there = before.value;
      if (there !== undefined && isSame(there, source, embedder !== undefined))
        return ok({ document: there, passages: there.passages, embedded: 0, unchanged: true });
      const prepared = await prepare(thread.value, source, onProgress);
      if (!prepared.ok) return prepared;
      const { passages, embedded } = prepared.value;
      const put = await thread.value.put({ source, passages }, clock.nowMs());
      if (!put.ok) return put;
      log.info({ collection, passages: passages.length, embedded }, 'a document was taken in');
      return ok({ document: put.value, passages: passages.length, embedded, unchanged: false });
    },

    async search({ collections: names, text, count, reader, mode = 'hybrid', filter }) {
      const match = matchQuery(text);
      if (match === undefined) return err(failure('invalid_argument', 'a question without words'));
      let vector: Float32Array<ArrayBuffer> | undefined;
      if (mode !== 'words' && embedder !== undefined) {
        const embedded = await embedder.embed([text]);
        if (!embedded.ok && mode === 'vectors') return embedded;
        if (embedded.ok) vector = embedded.value;
        else
          log.warn({ code: embedded.error.code }, `searched by words: ${embedded.error.message}`);
      }
      if (mode === 'vectors' && vector === undefined)
        return err(failure('unavailable', 'this device has no embedder'));
      const found: FoundPassage[] = [];
      const snapshots: string[] = [];
      let engine: string | undefined;
      const asked = { principals: reader.principals, ...filter };
      for (const name of names) {
        const thread = await collections.open(name);
        if (!thread.ok) return thread;
        const one = await searchOne(thread.value, { match, vector, mode, count }, asked);
        if (!one.ok) return one;
        found.push(...one.value.found);
        snapshots.push(`${name}@${one.value.revision}`);
        engine = thread.value.engine ?? engine;
      }
      found.sort((a, b) => b.score - a.score || a.passage.id - b.passage.id);
      return ok({
        found: found.slice(0, count),
        mode: vector === undefined ? 'words' : mode,
        snapshots,
        ...(engine === undefined || vector === undefined ? {} : { engine }),
        ...(vector === undefined ? {} : { vector }),
      });
    },
  };
}

/** Nothing to take in: bytes and terms are the same, and no vector is missing that could be made. */
function isSame(there: DocumentRecord, source: SourceDocument, canEmbed: boolean): boolean {
  if (there.digest !== source.digest || (canEmbed && there.vectors < there.passages)) return false;
  const { title, trust, language = null, readers, meta = {} } = source;
  const setOf = (names?: readonly string[] | null) => names && [...new Set(names)].sort();
  const pairsOf = (record: Readonly<Record<string, string>>) => Object.entries(record).sort();
  return (
    there.title === title &&
    there.trust === trust &&
    there.language === language &&
    JSON.stringify(setOf(there.readers) ?? null) === JSON.stringify(setOf(readers) ?? null) &&
    JSON.stringify(pairsOf(there.meta)) === JSON.stringify(pairsOf(meta))
  );
}

/** What is embedded of a passage: alone it often does not say what it is about. */
const embeddedText = (source: SourceDocument, heading: string, text: string): string =>
  `${[source.title, heading]
    .filter(Boolean)
    .join(' › ')
    .slice(0, headingTokensMax * charactersPerToken)}\n\n${text}`;

const vectorAt = (
  vectors: Float32Array<ArrayBuffer>,
  i: number,
  dimensions: number,
): Float32Array<ArrayBuffer> => vectors.slice(i * dimensions, (i + 1) * dimensions);

interface Question {
  readonly match: string;
  readonly vector: Float32Array | undefined;
  readonly mode: SearchMode;
  readonly count: number;
}

async function searchOne(
  thread: CollectionThread,
  { match, vector, mode, count }: Question,
  filter: CollectionFilter,
): Promise<Result<{ readonly found: readonly FoundPassage[]; readonly revision: number }>> {
  const asked = { match: mode === 'vectors' ? undefined : match, vector, count: legCount, filter };
  const legs = await thread.search(asked);
  if (!legs.ok) return legs;
  const { words, vectors, revision } = legs.value;
  const weighed: Leg[] = [
    { ranked: words, weight: 1 },
    { ranked: vectors, weight: 1 },
  ];
  const ranked = fuseRanks(weighed, count);
  const passages = await thread.passages(
    ranked.map(({ id }) => id),
    filter,
  );
  if (!passages.ok) return passages;
  const similarities = new Map(vectors.map(({ id, score }) => [id, score]));
  const scores = new Map(ranked.map(({ id, score }) => [id, score]));
  const found = passages.value.map((passage) => {
    const similarity = similarities.get(passage.id);
    return {
      passage,
      score: (scores.get(passage.id) ?? 0) * passage.trust,
      ...(similarity === undefined ? {} : { similarity }),
    };
  });
  return ok({ found, revision });
}
