// The port to all collections of a device. They live on a thread of their own, since SQLite blocks the one that asks it.

import type { Result } from '@skerry/shared';
import type { SnapshotName } from '@skerry/sync-protocol/collections';
import type { QuestionSource } from './check-dense.ts';
import type {
  BarePassage,
  CollectionFilter,
  CollectionStats,
  DocumentRecord,
  FilledVector,
  HeldSnapshot,
  PreparedDocument,
  SnapshotChange,
  StagedDocument,
  TextAt,
  WholeDocument,
  WordCounts,
} from './collection-file.ts';
import type { IntakeCandidate, IntakeComparison } from './compare-intake.ts';
import type { Ranked } from './fuse-ranks.ts';
import type { Passage } from './passage.ts';

export interface LegsRequest {
  /** Absent: none are searched. */
  readonly words: readonly string[] | undefined;
  readonly vector: Float32Array | undefined;
  readonly count: number;
  readonly filter: CollectionFilter;
}

export interface Legs {
  readonly words: readonly Ranked[];
  readonly vectors: readonly Ranked[];
  readonly revision: number;
  /** Where it is the cloud's. */
  readonly snapshot?: SnapshotName | undefined;
}

/** As CollectionFile, from another thread. */
export interface CollectionThread {
  readonly name: string;
  readonly engine: string | undefined;
  put(document: PreparedDocument, nowMs: number): Promise<Result<DocumentRecord>>;
  find(uri: string): Promise<Result<DocumentRecord | undefined>>;
  list(filter: CollectionFilter): Promise<Result<readonly DocumentRecord[]>>;
  vectorsBy(
    digests: readonly string[],
  ): Promise<Result<ReadonlyMap<string, Float32Array<ArrayBuffer>>>>;
  missingVectors(after: number, count: number): Promise<Result<readonly BarePassage[]>>;
  countMissing(): Promise<Result<number>>;
  putVectors(vectors: readonly FilledVector[]): Promise<Result<number>>;
  compareIntake(candidate: IntakeCandidate): Promise<Result<IntakeComparison>>;
  digestsOf(uri: string): Promise<Result<readonly string[]>>;
  remove(uri: string): Promise<Result<number>>;
  restore(uri: string, version: number): Promise<Result<DocumentRecord | undefined>>;
  /** Both legs, on one state of the collection. */
  search(request: LegsRequest): Promise<Result<Legs>>;
  /** Of each word the passages that have it in some form, and how many there are. */
  countWords(words: readonly string[], filter: CollectionFilter): Promise<Result<WordCounts>>;
  passages(ids: readonly number[], filter: CollectionFilter): Promise<Result<readonly Passage[]>>;
  textAt(uri: string, start: number, end: number): Promise<Result<TextAt | undefined>>;
  /** Of what the filter lets through; absent: of all. */
  stats(filter?: CollectionFilter): Promise<Result<CollectionStats>>;
  /** To check it by, so many at most. */
  questions(count: number): Promise<Result<QuestionSource>>;
  snapshot(): Promise<Result<HeldSnapshot | undefined>>;
  pages(): Promise<Result<Readonly<Record<string, string>>>>;
  whole(uri: string): Promise<Result<WholeDocument | undefined>>;
  stage(
    blob: string,
    document: PreparedDocument,
    nowMs: number,
    vectorsOf?: string | null,
  ): Promise<Result<void>>;
  staged(): Promise<Result<readonly StagedDocument[]>>;
  commit(change: SnapshotChange): Promise<Result<void>>;
  revision(): Promise<Result<number>>;
}

export interface Collections {
  /** One that is there: to look makes none. Fails with `not_found`, `invalid_argument` for what is no name, `storage_failed`. */
  open(name: string): Promise<Result<CollectionThread>>;
  /** Opened, and made where it is new. */
  openOrCreate(name: string): Promise<Result<CollectionThread>>;
  /** Their names. */
  list(): Promise<Result<readonly string[]>>;
  /** From now on they have this one's vectors. */
  embedBy(embedder: {
    readonly digest: string;
    readonly dimensions: number;
  }): Promise<Result<void>>;
  /** Its file and all that is in it. */
  remove(name: string): Promise<Result<boolean>>;
  close(): Promise<void>;
}
