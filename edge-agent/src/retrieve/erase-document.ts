// A document that has to go: out of its collection, and out of what quotes it. What was done is written in a certificate,
// store by store; what this device cannot do, or cannot know, is said there too.

import { ok, type Result } from '@skerry/shared';
import type { Collections } from './collections.ts';
import type { Forgotten, QuestionStore } from './question-store.ts';

/** `pending`: on its way to where this device cannot take it back. `unknown`: nobody here can tell. */
export type ErasureState = 'erased' | 'pending' | 'unknown';

export interface StoreErasure {
  readonly store: string;
  readonly state: ErasureState;
  readonly count: number;
  readonly note?: string;
}

export interface ErasureCertificate {
  readonly collection: string;
  readonly uri: string;
  /** sha256 of the bytes of each version. */
  readonly digests: readonly string[];
  readonly atMs: number;
  readonly stores: readonly StoreErasure[];
}

export interface EraseDocumentPorts {
  readonly collections: Collections;
  readonly questions: Pick<QuestionStore, 'forget'> | undefined;
  readonly nowMs: () => number;
}

/** Undefined where there is no such document. Fails with `storage_failed`, and then it may be asked for again. */
export async function eraseDocument(
  { collections, questions, nowMs }: EraseDocumentPorts,
  collection: string,
  uri: string,
): Promise<Result<ErasureCertificate | undefined>> {
  const thread = await collections.open(collection);
  if (!thread.ok) return thread;
  const digests = await thread.value.digestsOf(uri);
  if (!digests.ok) return digests;
  // Who quotes it first: after a crash in between, the document is still there to be asked for.
  const quoting = questions?.forget({ collection, uri, digests: digests.value });
  const removed = await thread.value.remove(uri);
  if (!removed.ok) return removed;
  if (removed.value === 0) return ok(undefined);
  const stores = [
    { store: 'passages, words and vectors', state: 'erased' as const, count: removed.value },
    ...(quoting === undefined ? [] : storesOf(quoting)),
  ];
  return ok({ collection, uri, digests: digests.value, atMs: nowMs(), stores });
}

function storesOf({ questions, open }: Forgotten): readonly StoreErasure[] {
  const asked: StoreErasure = {
    store: 'questions and their answers',
    state: 'erased',
    count: questions,
  };
  const outbox: StoreErasure = {
    store: 'questions on their way up',
    state: 'pending',
    count: open,
    note: 'they quote passages; each leaves this device when the coordinator has taken it',
  };
  const cloud: StoreErasure = {
    store: 'coordinator, and whoever it asked',
    state: 'unknown',
    count: questions,
    note: 'questions that went up quoted passages; what is kept of them there this device cannot tell',
  };
  return [asked, ...(open === 0 ? [] : [outbox]), ...(questions === 0 ? [] : [cloud])];
}
