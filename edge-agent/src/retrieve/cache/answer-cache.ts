// Answers that were given before, to the same question under the same terms: who asks, of what, in which state, and by
// which embedder and model. Each is read again against the library before it is given, as any answer is.

import { type Clock, type Log, ok, type Random, type Result } from '@skerry/shared';
import { checkCitations } from '../ask.ts';
import type { Library } from '../library.ts';
import type { Recalled } from '../library-reply.ts';
import type {
  AnswerEntry,
  AnswerFigures,
  AnswerStore,
  AskedCount,
  AskedCounts,
  CachedAnswer,
  JudgedStore,
} from './answer-store.ts';
import {
  type AskedOf,
  createDigest,
  type Described,
  describeQuestion,
  keyIn,
  pushedScope,
} from './describe-question.ts';
import type { FalseHits } from './false-hits.ts';
import type { Changes } from './purging-collections.ts';
import { createSemanticHits, type SemanticHits, type SemanticTerms } from './semantic-hits.ts';

export interface AnswerCacheTerms {
  readonly ttlMs: number;
  /** Absent: no question is answered by another's answer. */
  readonly semantic?: SemanticTerms | undefined;
  /** That the words of questions may be told. */
  readonly questionTexts: boolean;
}

export interface AnswerCachePorts {
  readonly library: Library;
  readonly store: AnswerStore;
  readonly counts: AskedCounts;
  readonly judged: JudgedStore;
  readonly changes: Changes;
  /** sha256 of a text. */
  readonly digestOf: (bytes: Uint8Array) => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Recall {
  readonly answer: CachedAnswer;
  readonly recalled: Recalled;
  /** It is to be computed all the same. */
  readonly judged: boolean;
}

export interface Look {
  /** Under which an answer would be kept; absent where none can be. */
  readonly key?: string;
  readonly recall?: Recall;
  /** What was computed in its place. It is kept where nobody could say it better, and what was recalled is judged by it. */
  computed(answer: CachedAnswer, degraded: boolean): Promise<void>;
}

export interface CacheFigures extends AnswerFigures {
  readonly ttlMs: number;
  /** Since the start. */
  readonly served: Readonly<Record<Recalled['cache'] | 'missed', number>>;
  /** Absent where look-alikes are not looked for. */
  readonly semantic?: SemanticTerms & FalseHits;
}

export interface AnswerCache {
  /** Never fails: where there is nothing to be had, nothing is recalled. */
  look(asked: AskedOf): Promise<Look>;
  /** Of what was asked under this key, said later: kept where it would have the same key now. [CAC13] */
  keepLate(key: string, asked: AskedOf, answer: CachedAnswer): Promise<void>;
  /** Drops what is out of date: at a start, for what a crash has left. */
  sweep(): Promise<void>;
  figures(): Result<CacheFigures>;
  /** Which questions are asked most: by their digests, and by their words where those may be told. */
  commonest(many: number): Result<readonly AskedCount[]>;
  clear(): Result<void>;
}

/** Of an answer with its citations; a longer one is not kept. */
const entryCharactersMax = 64 * 1024;

export function createAnswerCache(terms: AnswerCacheTerms, ports: AnswerCachePorts): AnswerCache {
  const { library, store, counts, changes, clock, log } = ports;
  const digest = createDigest(ports.digestOf);
  const embedder = () => library.embedder;
  const semantic: SemanticHits | undefined =
    terms.semantic && createSemanticHits(terms.semantic, { ...ports, embedder, digest });
  const served = { exact: 0, precomputed: 0, semantic: 0, missed: 0 };

  const told = <T>(result: Result<T>, what: string): T | undefined => {
    if (result.ok) return result.value;
    log.warn({ code: result.error.code }, `${what}: ${result.error.message}`);
    return undefined;
  };

  /** [CAC3] Its time is not over, and every citation that was verified stands now, for this reader. */
  const stands = async (entry: AnswerEntry, { reader }: Described): Promise<boolean> => {
    const { madeMs, expiresMs, answer } = entry;
    const nowMs = clock.nowMs();
    // One from the future is of a clock that was wrong.
    if (nowMs >= expiresMs || nowMs < madeMs) return false;
    const checked = await checkCitations(library, verifiedOf(answer), reader);
    return checked.ok && checked.value.every(({ verified }) => verified);
  };

  const readKey = async (key: string, of: Described): Promise<AnswerEntry | undefined> => {
    const entry = told(store.get(key), 'the cache was not read');
    if (entry === undefined || (await stands(entry, of))) return entry;
    // What was pushed may be for other readers.
    if (entry.kind === 'asked') told(store.remove({ key }), 'the cache was not changed');
    return undefined;
  };

  const recallOf = ({ answer, madeMs }: AnswerEntry, cache: Recalled['cache']): Recall => ({
    answer,
    recalled: { cache, source: answer.source, ageMs: clock.nowMs() - madeMs },
    judged: false,
  });

  const find = async (of: Described): Promise<Recall | undefined> => {
    const exact = await readKey(of.key, of);
    if (exact !== undefined) return recallOf(exact, 'exact');
    for (const name of of.collections) {
      const key = keyIn(digest, pushedScope(digest, name), of.question);
      const pushed = await readKey(key, of);
      if (pushed !== undefined) return recallOf(pushed, 'precomputed');
    }
    const hit = await semantic?.find(of, (entry) => stands(entry, of));
    if (hit === undefined) return undefined;
    const { answer, recalled } = recallOf(hit.entry, 'semantic');
    const { question } = hit.entry;
    return {
      answer,
      recalled: { ...recalled, question, similarity: hit.similarity },
      judged: hit.judged,
    };
  };

  const keep = async (of: Described, answer: CachedAnswer): Promise<void> => {
    const cited = verifiedOf(answer);
    const characters = JSON.stringify(answer).length + of.question.length;
    if (terms.ttlMs === 0 || characters > entryCharactersMax) return;
    if (cited.length === 0 || !isOfThen(of, answer)) return;
    // Found by words alone, while the embedder was away.
    if (library.embedder?.isElsewhere && answer.summary.mode === 'words') return;
    const vector = await semantic?.vectorOf(of.question);
    // Changed since it was begun: it would outlive what it rests on. [CAC5]
    if (changes.seen(of.collections) !== of.seen) return;
    const { key, scope, form, asked, question, searched } = of;
    const madeMs = clock.nowMs();
    const kept = store.put({
      kind: 'asked',
      ...{ key, scope, form, asked, question, searched },
      vector,
      answer,
      rests: [...answer.summary.passages, ...cited].map(({ collection, uri }) => ({
        collection,
        uri,
      })),
      madeMs,
      expiresMs: madeMs + terms.ttlMs,
    });
    told(kept, 'an answer was not kept');
  };

  return {
    async look(asked) {
      const described = await describeQuestion(asked, library, changes, digest);
      // Whoever answers will say why.
      if (!described.ok) return { computed: async () => {} };
      const of = described.value;
      told(counts.add(of.asked, clock.nowMs()), 'a question was not counted');
      const recall = await find(of);
      served[recall?.recalled.cache ?? 'missed'] += 1;
      return {
        key: of.key,
        ...(recall === undefined ? {} : { recall }),
        async computed(answer, degraded) {
          if (recall?.judged) semantic?.judge(recall.answer, answer);
          if (!degraded) await keep(of, answer);
        },
      };
    },

    async keepLate(key, asked, answer) {
      const described = await describeQuestion(asked, library, changes, digest);
      if (described.ok && described.value.key === key) await keep(described.value, answer);
    },

    async sweep() {
      for (const { collection, revision } of told(store.states(), 'the cache was not swept') ??
        []) {
        const thread = await library.collections.open(collection);
        const now = thread.ok ? await thread.value.revision() : thread;
        if (now.ok && now.value === revision) continue;
        // No document has an empty name: what was pushed for a collection that is there stays.
        const changed = now.ok ? { collection, uri: '' } : { collection };
        told(changes.purge(changed), 'the cache was not swept');
      }
    },

    figures() {
      const figures = store.figures();
      if (!figures.ok) return figures;
      const { ttlMs } = terms;
      const alike = semantic && { semantic: semantic.figures() };
      return ok({ ...figures.value, ttlMs, served: { ...served }, ...alike });
    },
    commonest(many) {
      const counted = counts.commonest(many);
      if (!counted.ok || terms.questionTexts) return counted;
      return ok(counted.value.map(({ digest, count }) => ({ digest, count })));
    },
    clear: () => store.clear(),
  };
}

const verifiedOf = ({ said }: CachedAnswer) => said.citations.filter(({ verified }) => verified);

/** Found in the state that it was asked in: a change in between would go unseen. */
const isOfThen = ({ searched }: Described, { summary }: CachedAnswer): boolean =>
  searched
    .map(({ collection, revision }) => `${collection}@${revision}`)
    .sort()
    .join() === summary.snapshots.toSorted().join();
