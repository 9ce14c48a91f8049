// A document that has to go: out of its collection, and out of what quotes it. What was done is written in a certificate,
// store by store; what this device cannot do, or cannot know, is said there too.

import { ok, type Result } from '@skerry/shared';
import type { Collections } from './collections.ts';
import { refuseFollowed } from './refuse-followed.ts';

/** `pending`: on its way to where this device cannot take it back. `unknown`: nobody here can tell. */
export type ErasureState = 'erased' | 'pending' | 'unknown';

export interface StoreErasure {
  readonly store: string;
  readonly state: ErasureState;
  readonly count: number;
  readonly note?: string;
}

export interface QuotedDocument {
  readonly collection: string;
  readonly uri: string;
  /** sha256 of the bytes of each version. */
  readonly digests: readonly string[];
}

/** What quotes documents, and has to forget them. Whatever keeps text of a library is one. */
export interface QuotingStore {
  /**
   * What quotes the document, or was made from it: its bytes are in no file when this returns. Says of each place what
   * became of it. May be called again; fails with `storage_failed`.
   */
  forget(document: QuotedDocument): Promise<Result<readonly StoreErasure[]>>;
}

export interface ErasureCertificate extends QuotedDocument {
  readonly atMs: number;
  readonly stores: readonly StoreErasure[];
}

export interface EraseDocumentPorts {
  readonly collections: Collections;
  readonly quoting: readonly QuotingStore[];
  readonly nowMs: () => number;
}

/**
 * Undefined where there is no such document. Fails with `storage_failed`, and then it may be asked for again; with
 * `invalid_argument` in a collection that is the cloud's, and then nothing has gone.
 */
export async function eraseDocument(
  { collections, quoting, nowMs }: EraseDocumentPorts,
  collection: string,
  uri: string,
): Promise<Result<ErasureCertificate | undefined>> {
  const thread = await collections.open(collection);
  if (!thread.ok) return thread;
  // What is refused must not have cost anybody his conversations.
  const own = await refuseFollowed(thread.value);
  if (!own.ok) return own;
  const digests = await thread.value.digestsOf(uri);
  if (!digests.ok) return digests;
  const document = { collection, uri, digests: digests.value };
  // Who quotes it first: after a crash in between, the document is still there to be asked for.
  const stores: StoreErasure[] = [];
  for (const store of quoting) {
    const forgotten = await store.forget(document);
    if (!forgotten.ok) return forgotten;
    stores.push(...forgotten.value);
  }
  const removed = await thread.value.remove(uri);
  if (!removed.ok) return removed;
  if (removed.value === 0) return ok(undefined);
  const passages = { store: 'passages, words and vectors', state: 'erased' as const };
  const erased = [{ ...passages, count: removed.value }, ...stores];
  return ok({ ...document, atMs: nowMs(), stores: erased });
}
