// What a source has brought, thing by thing: what was taken in, and what was refused and why. So nothing is read twice that
// has not changed, and what was refused is not tried again until it has.

import type { Result } from '@skerry/shared';
import type { RowValue } from './rows-source.ts';

export interface SourceEntry {
  readonly source: string;
  /** Names the thing in its source: a path, a key. */
  readonly key: string;
  readonly collection: string;
  readonly uri: string;
  /** Of the thing as it was seen: where it is the same nothing has changed. */
  readonly stamp: string;
  /** Of its bytes; null where they were never read. */
  readonly digest: string | null;
  /** Of what is said of it: trust, readers, collection. */
  readonly terms: string;
  /** Why it was refused; null: it is in its collection. */
  readonly reason: string | null;
  readonly atMs: number;
}

/** What a topic has brought, until it is taken in or put aside: oldest first. */
export interface SourceInbox {
  /** Durable when it returns. */
  receive(source: string, payload: Uint8Array): Result<void>;
  waiting(source: string): { readonly messages: number; readonly bytes: number };
  oldest(source: string): { readonly id: number; readonly payload: Uint8Array } | undefined;
  dealtWith(id: number): Result<void>;
  /** Of all others it goes. */
  keepOf(sources: readonly string[]): Result<void>;
}

export interface SourceStore {
  readonly inbox: SourceInbox;
  entries(source: string): readonly SourceEntry[];
  find(source: string, key: string): SourceEntry | undefined;
  put(entry: SourceEntry): Result<void>;
  remove(source: string, key: string): Result<void>;
  /** The newest, so many. */
  refused(source: string, count: number): readonly SourceEntry[];
  /** Keeps so many of what was refused, the newest. */
  trim(source: string, count: number): void;
  /** How far rows were read under these terms. */
  cursor(source: string, terms: string): RowValue | undefined;
  setCursor(source: string, terms: string, cursor: RowValue): Result<void>;
  counts(source: string): { readonly taken: number; readonly refused: number };
}
