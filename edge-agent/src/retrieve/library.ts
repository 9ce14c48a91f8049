// The device's library: takes documents in and finds their passages again. Words and vectors are two legs of one search;
// what neither an embedder nor a link is there for is found by its words.

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import type { SnapshotName } from '@skerry/sync-protocol/collections';
import type { DenseVerdict } from './check-dense.ts';
import { checkIntake, type IntakeLimits, intakeLimits } from './check-intake.ts';
import type { CollectionFilter, DocumentRecord } from './collection-file.ts';
import type { Collections, LegsRequest } from './collections.ts';
import { queryWordsOf } from './match-query.ts';
import type { Passage, Reader, SearchFilter, SourceDocument } from './passage.ts';
import { preparePassages } from './prepare-passages.ts';
import { refuseFollowed } from './refuse-followed.ts';
import { type Reranked, type Reranker, rerank, rerankedMax } from './rerank.ts';
import { boundShares, gatherLegs, legCount, rankPassages, wordsOfBest } from './search-legs.ts';
import type { Chunking } from './split-text.ts';
import type { TextEmbedder } from './text-embedder.ts';

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
  /** Whose vectors hurt its search, by its self-check, and were left out: why. */
  readonly wordsOnly?: Readonly<Record<string, string>>;
  /** What has looked at the best again, at how many of them, and why not at more. */
  readonly reranked?: { readonly by: string; readonly passages: number; readonly reason?: string };
  /** Each collection as it was: `name@revision`. */
  readonly snapshots: readonly string[];
  /** Of those that are the cloud's the snapshot that was searched, which can be verified. [TRV5] */
  readonly published: readonly SnapshotName[];
  /** The question's vector, where it was made. */
  readonly vector?: Float32Array;
}

export interface Intake {
  readonly document: DocumentRecord;
  readonly passages: number;
  /** Of its passages those whose vectors were not there already. */
  readonly embedded: number;
  /** Of semantic chunking: its sentences that were looked at for turns. */
  readonly sentences?: number;
  /** The same bytes were there under the same terms, with all their vectors: nothing was done. */
  readonly unchanged: boolean;
}

export interface Ranking {
  /** Digest of what looks again at the best; null where nothing does. */
  readonly reranker: string | null;
  readonly rerankMs: number;
  readonly sourceShareMax: number;
  readonly expandsWords: boolean;
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
  /** Of its configuration all that makes another ranking of the same passages. */
  readonly ranking: Ranking;
  /** What its self-check says of a collection's vectors, where it has been. */
  verdictOn(collection: string): DenseVerdict | undefined;
}

export interface LibraryPorts {
  readonly collections: Collections;
  /** Read at each call: one that is elsewhere is found later. */
  readonly embedder?: TextEmbedder | undefined;
  /** The same, where it remembers what was asked: passages are embedded by the other. */
  readonly asked?: TextEmbedder | undefined;
  /** How documents that come are cut: `recursive` where nothing is said. Those that are there stay as they are. */
  readonly chunking?: Chunking | undefined;
  /** Passages came without their vectors, which can be made later. */
  readonly onMissing?: (() => void) | undefined;
  /** Looks at the best again; a search by one leg alone is not reranked. */
  readonly reranker?: Reranker | undefined;
  /** It has so long. */
  readonly rerankMs?: number | undefined;
  readonly verdictOn?: Library['verdictOn'] | undefined;
  readonly limits?: IntakeLimits | undefined;
  /** Of what is found, the share that may be one source's while others have been found too. */
  readonly sourceShareMax?: number | undefined;
  /** Words of what a question's own find best are searched for too. */
  readonly expandsWords?: boolean | undefined;
  /** sha256 of a text, as `sha256:…`. */
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly clock: Clock;
  readonly log: Log;
}

/** For a question's vector: words are searched without it. */
const questionMsMax = 2_000;
const rerankMsDefault = 500;

export function createLibrary(ports: LibraryPorts): Library {
  const { collections, digestOf, clock, log, reranker, verdictOn = () => undefined } = ports;
  const { sourceShareMax = 1, rerankMs = rerankMsDefault, expandsWords = false } = ports;
  const { chunking = 'recursive' } = ports;
  const limits = ports.limits ?? intakeLimits;

  return {
    collections,
    verdictOn,
    ranking: { reranker: reranker?.digest ?? null, rerankMs, sourceShareMax, expandsWords },
    get embedder() {
      return ports.asked ?? ports.embedder;
    },
    async add(collection, source, onProgress = () => {}) {
      const { embedder } = ports;
      const thread = await collections.openOrCreate(collection);
      if (!thread.ok) return thread;
      const before = await thread.value.find(source.uri);
      if (!before.ok) return before;
      const same = before.value && isSame(before.value, source) ? before.value : undefined;
      const unchanged = (document: DocumentRecord) =>
        ok({ document, passages: document.passages, embedded: 0, unchanged: true });
      if (same !== undefined && (embedder === undefined || same.vectors >= same.passages))
        return unchanged(same);
      const own = await refuseFollowed(thread.value);
      if (!own.ok) return own;
      const preparing = { thread: thread.value, embedder, remembering: ports.asked };
      const prepared = await preparePassages(
        source,
        { ...preparing, chunking, digestOf },
        onProgress,
      );
      if (!prepared.ok) return prepared;
      const { passages, ...made } = prepared.value;
      const isMissing = passages.some(({ vector }) => vector === undefined);
      if (isMissing) ports.onMissing?.();
      if (same !== undefined && isMissing) return unchanged(same);
      const nowMs = clock.nowMs();
      const checks = await checkIntake(thread.value, source, passages, before.value, limits, nowMs);
      if (!checks.ok) return checks;
      const put = await thread.value.put({ source, passages, checks: checks.value }, nowMs);
      if (!put.ok) return put;
      log.info({ collection, passages: passages.length, ...made }, 'a document was taken in');
      return ok({ document: put.value, passages: passages.length, ...made, unchanged: false });
    },

    async search({ collections: names, text, count, reader, mode = 'hybrid', filter: narrowing }) {
      const words = queryWordsOf(text);
      if (words.length === 0) return err(failure('invalid_argument', 'a question without words'));
      const wordsOnly = mode === 'hybrid' ? wordsOnlyOf(names, verdictOn) : {};
      const isDense = new Set(names).size > Object.keys(wordsOnly).length || mode === 'vectors';
      const embedder = isDense ? (ports.asked ?? ports.embedder) : undefined;
      let vector: Float32Array<ArrayBuffer> | undefined;
      if (mode !== 'words' && embedder !== undefined) {
        const embedded = await embedder.embed([text], questionMsMax);
        if (!embedded.ok && mode === 'vectors') return embedded;
        if (embedded.ok) vector = embedded.value;
        else
          log.warn({ code: embedded.error.code }, `searched by words: ${embedded.error.message}`);
      }
      if (mode === 'vectors' && vector === undefined)
        return err(failure('unavailable', 'this device has no embedder'));
      const filter: CollectionFilter = { principals: reader.principals, ...narrowing };
      const expanded =
        expandsWords && mode !== 'vectors'
          ? await wordsOfBest(collections, names, words, filter)
          : ok(words);
      if (!expanded.ok) return expanded;
      const asked = { words: mode === 'vectors' ? undefined : expanded.value, vector, filter };
      const legsOf = (name: string): LegsRequest => ({
        ...asked,
        vector: Object.hasOwn(wordsOnly, name) ? undefined : vector,
        count: legCount,
      });
      const legs = await gatherLegs(collections, names, legsOf);
      if (!legs.ok) return legs;
      const again = mode === 'hybrid' ? reranker : undefined;
      const wanted = again === undefined ? count : Math.max(count, rerankedMax);
      const ranked = await rankPassages(legs.value, wanted, filter, sourceShareMax);
      if (!ranked.ok) return ranked;
      const { snapshots, published, engine } = legs.value;
      const leftMs = rerankMs;
      const second = again && (await rerank(again, text, ranked.value, { leftMs, clock }));
      return ok({
        found: boundShares(second?.found ?? ranked.value, count, sourceShareMax),
        ...(again && second && { reranked: rerankedBy(again, second) }),
        ...(Object.keys(wordsOnly).length === 0 ? {} : { wordsOnly }),
        mode: vector === undefined ? 'words' : mode,
        snapshots,
        published,
        ...(engine === undefined || vector === undefined ? {} : { engine }),
        ...(vector === undefined ? {} : { vector }),
      });
    },
  };
}

const rerankedBy = ({ name }: Reranker, { reranked, reason }: Reranked<unknown>) => ({
  by: name,
  passages: reranked,
  ...(reason === undefined ? {} : { reason }),
});

/** Collections whose vectors hurt, and why. */
const wordsOnlyOf = (
  names: readonly string[],
  verdictOn: Library['verdictOn'],
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const verdict = verdictOn(name);
      return verdict === undefined || verdict.isOn ? [] : [[name, verdict.reason]];
    }),
  );

/** The same bytes under the same terms. */
function isSame(there: DocumentRecord, source: SourceDocument): boolean {
  if (there.digest !== source.digest) return false;
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
