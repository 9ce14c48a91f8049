// What became of questions in words that were passed on. Port; its adapter shares the outbox's transactions, as the
// escalations' does, and their count of what was settled: one stream has both.

import type { Result } from '@skerry/shared';
import type { Said } from '@skerry/sync-protocol';
import type { CheckedSaid } from './check-sentences.ts';
import type { QuotedDocument } from './erase-document.ts';
import type { AnswerSummary } from './library-reply.ts';

export interface PassageRef {
  readonly collection: string;
  readonly id: number;
  /** Of the document as it was when it was asked about: what has changed since bears out nothing. */
  readonly digest: string;
  readonly version: number;
}

/** For what is said later to be remembered: how the question was asked, and of what. */
export interface Remembering {
  /** Of the cache. */
  readonly key: string;
  readonly collections: readonly string[];
  /** Of the passages that were passed on. */
  readonly summary: AnswerSummary;
}

export interface QuestionRecord {
  readonly requestId: string;
  /** As the app has named it: `library`, or `library/COLLECTION`. */
  readonly model: string;
  readonly question: string;
  readonly appendedMs: number;
  /** That the library knew, when it was asked. */
  readonly confidence: number;
  /** By their numbers, from 1. */
  readonly passages: readonly PassageRef[];
  /** Absent where its answer is for nobody else. */
  readonly remembering?: Remembering & { readonly answerModel: string };
  readonly delivery: 'open' | 'late';
  readonly said?: CheckedSaid & { readonly model: string };
  readonly failed?: { readonly code: string; readonly message: string };
  /** Rises with each answer that came, over escalations too: the id of an event on the stream. */
  readonly settled?: number;
}

export interface Forgotten {
  readonly questions: number;
  /** Of them those that nobody has answered: they may still be on their way up. */
  readonly open: number;
}

export interface QuestionStore {
  open(record: Omit<QuestionRecord, 'delivery' | 'said' | 'failed' | 'settled'>): void;
  /** Keeps what was said until it is checked; false where nobody waits for it, or it is there already. */
  keep(said: Said): boolean;
  /** Kept and not checked, oldest first. */
  unchecked(): readonly { readonly record: QuestionRecord; readonly outcome: Said['outcome'] }[];
  /** It is given out from here on. */
  settle(requestId: string, outcome: Pick<QuestionRecord, 'said' | 'failed'>): void;
  get(requestId: string): QuestionRecord | undefined;
  /** With `settled` > `after`, oldest first. */
  lateAfter(after: number, recordsMax: number): readonly QuestionRecord[];
  /** Nobody waits for them any more. Inside a transaction. */
  drop(requestIds: readonly string[]): void;
  /** Those that were asked with this document's passages, or answered from it: they quote it. Their bytes go with them; as QuotingStore. */
  forget(document: QuotedDocument): Result<Forgotten>;
}
