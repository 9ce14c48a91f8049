// The ports to answers at rest: what was answered, to which question, under which terms, and what it rests on.

import type { Result } from '@skerry/shared';
import type { CheckedSaid } from '../check-sentences.ts';
import type { AnswerSummary } from '../library-reply.ts';

/** `asked`: answered here before. `pushed`: computed elsewhere, for a site's commonest questions. */
export type EntryKind = 'asked' | 'pushed';

export interface CachedAnswer {
  readonly said: CheckedSaid;
  readonly summary: AnswerSummary;
  /** Who has answered. */
  readonly source: string;
  readonly confidence?: number;
}

/** A collection in the state that an answer was found in. */
export interface CollectionState {
  readonly collection: string;
  readonly revision: number;
}

export interface AnswerEntry {
  /** Digest of terms and question. */
  readonly key: string;
  readonly kind: EntryKind;
  /** Digest of all but the question: under the same terms alone an entry may be given out. */
  readonly scope: string;
  /** Digest of what its look-alikes have in common with it. */
  readonly form: string;
  /** Digest of the question as it is normalised. */
  readonly asked: string;
  readonly question: string;
  /** Of the question, where there is an embedder. */
  readonly vector?: Float32Array | undefined;
  readonly answer: CachedAnswer;
  /** Collections that it is out of date with, once they change; of what was pushed, none. */
  readonly searched: readonly CollectionState[];
  /** Documents that it was made from. */
  readonly rests: readonly { readonly collection: string; readonly uri: string }[];
  readonly madeMs: number;
  readonly expiresMs: number;
}

/** What has changed: one document, or all of a collection. */
export interface Changed {
  readonly collection: string;
  readonly uri?: string | undefined;
}

export interface AnswerFigures {
  readonly asked: number;
  readonly pushed: number;
  readonly bytes: number;
}

/** Bounded: of each kind the oldest go first. Fails with `storage_failed`; all that it holds can be had again. */
export interface AnswerStore {
  get(key: string): Result<AnswerEntry | undefined>;
  /** The newest first, and not all. */
  alike(scope: string, form: string): Result<readonly AnswerEntry[]>;
  put(entry: AnswerEntry): Result<void>;
  /** By its key, or all that was pushed under these terms. */
  remove(which: { readonly key: string } | { readonly pushed: string }): Result<void>;
  /**
   * What rests on the document, or on any of the collection, and what was found in the collection as it was before. Its
   * bytes are in no file when it returns. Says how many rest on it.
   */
  purge(changed: Changed): Result<number>;
  /** Of what was asked: the states that it was found in. */
  states(): Result<readonly CollectionState[]>;
  figures(): Result<AnswerFigures>;
  /** All of it. */
  clear(): Result<void>;
}

export interface AskedCount {
  /** sha256 of the question as it is normalised. */
  readonly digest: string;
  readonly count: number;
  /** As long as an answer to it is kept. */
  readonly question?: string;
}

/** Which questions are asked most. So many are counted: one that is new takes the place, and the count, of the rarest. */
export interface AskedCounts {
  add(digest: string, nowMs: number): Result<void>;
  commonest(many: number): Result<readonly AskedCount[]>;
}

/** How many look-alikes were served under these terms, how many of them were computed all the same, and differed. */
export interface JudgedHits {
  readonly hits: number;
  readonly judged: number;
  readonly wrong: number;
}

export interface JudgedStore {
  read(terms: string): Result<JudgedHits>;
  add(terms: string, more: JudgedHits): Result<void>;
}
