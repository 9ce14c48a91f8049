// The port to one collection at rest: documents, their passages, and the two indexes over them, changed together.

import type { Result } from '@skerry/shared';
import type { SnapshotEntry, SnapshotName } from '@skerry/sync-protocol/collections';
import type { Ranked } from './fuse-ranks.ts';
import type { Passage, PassageSpan, SearchFilter, SourceDocument } from './passage.ts';
import type { EngineName } from './vector-index.ts';

export interface PreparedPassage extends PassageSpan {
  /** Of the text that was embedded: by it a vector is found again. */
  readonly textDigest: string;
  /** Of length 1; absent where the collection has no embedder. */
  readonly vector?: Float32Array;
}

/** What was found of a document when it came in. */
export interface IntakeChecks {
  /** Of its source, others that came shortly before and say nearly the same. */
  readonly lookAlikes: number;
  /** The middle cosine of its passages with what was there; absent where nothing was. */
  readonly nearest?: number;
  /** By how many robust deviations that lies below what is usual here. */
  readonly anomaly?: number;
  readonly isStrange: boolean;
  /** Of its text; absent of a short one. */
  readonly sketch?: Uint32Array<ArrayBuffer>;
}

export interface PreparedDocument {
  readonly source: SourceDocument;
  readonly checks?: IntakeChecks;
  readonly passages: readonly PreparedPassage[];
}

/** A passage that has no vector. */
export interface BarePassage {
  readonly id: number;
  readonly title: string;
  readonly heading: string;
  readonly text: string;
}

export interface FilledVector {
  readonly passage: number;
  readonly textDigest: string;
  readonly vector: Float32Array;
}

export interface SketchOf {
  readonly uri: string;
  readonly sketch: Uint32Array<ArrayBuffer>;
}

/** A document as it is listed. */
export interface DocumentRecord {
  readonly uri: string;
  readonly version: number;
  readonly digest: string;
  readonly title: string;
  readonly trust: number;
  readonly addedMs: number;
  readonly language: string | null;
  /** Who may read it; null: everybody. */
  readonly readers: readonly string[] | null;
  readonly meta: Readonly<Record<string, string>>;
  readonly passages: number;
  /** Of its passages those that have one. */
  readonly vectors: number;
  /** Null of what came in before there were any. */
  readonly checks: Omit<IntakeChecks, 'sketch'> | null;
}

export interface CollectionFilter extends SearchFilter {
  /** Who asks; `all`: nothing is hidden. */
  readonly principals: readonly string[] | 'all';
}

export interface CollectionStats {
  readonly documents: number;
  readonly passages: number;
  readonly vectors: number;
  /** Whose vectors it has; null: nobody's yet. */
  readonly embedder: string | null;
  /** Rises with each change: names what a search has seen. */
  readonly revision: number;
  /** What searches its vectors, and why that. */
  readonly engine?: EngineName;
  readonly engineReason?: string;
}

/** A document with all that travels of it. */
export interface WholeDocument {
  readonly record: DocumentRecord;
  readonly pages?: readonly number[];
  readonly passages: readonly (PassageSpan & {
    readonly text: string;
    /** Where it has a vector. */
    readonly textDigest?: string;
    readonly halves?: Uint16Array;
  })[];
}

/** What a collection holds that is the cloud's: the snapshot, as it was signed. */
export interface HeldSnapshot {
  readonly name: SnapshotName;
  /** Byte by byte. */
  readonly manifest: string;
  /** The signed files by which it was accepted. */
  readonly evidence: Readonly<Record<string, string>>;
  /** As whom this device has what is not for everybody. */
  readonly readers: readonly string[];
  /** Whose vectors the passages have here; null: none. */
  readonly embedder: string | null;
}

/** Of a snapshot, what makes it of what is here. */
export interface SnapshotChange {
  readonly held: HeldSnapshot;
  /** By digest: all that this device may have. */
  readonly pages: Readonly<Record<string, string>>;
  /** What the pages name. Each is staged, or here with these bytes. */
  readonly documents: readonly SnapshotEntry[];
}

/** By its name and the blob it came as. */
export interface StagedDocument {
  readonly uri: string;
  readonly blob: string;
}

export interface TextAt {
  /** Of the document's bytes. */
  readonly digest: string;
  readonly version: number;
  /** The passage in which it begins. */
  readonly passage: number;
  readonly text: string;
}

export interface WordCounts {
  readonly counts: readonly number[];
  readonly passages: number;
}

/** Each call is one transaction; it fails with `storage_failed`. */
export interface CollectionFile {
  readonly name: string;
  /** Undefined where it has no vectors. */
  readonly engine: EngineName | undefined;
  /** The document's new version. The one before stays, and is not found any more; of all so many stay, the oldest go. */
  put(document: PreparedDocument, nowMs: number): Result<DocumentRecord>;
  find(uri: string): DocumentRecord | undefined;
  /** Those that it lets through, and no others. */
  list(filter: CollectionFilter): readonly DocumentRecord[];
  /** Vectors that are there already, by the digest of their text. */
  vectorsBy(digests: readonly string[]): ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  /** Of what is found, so many behind a passage, by their ids. */
  missingVectors(after: number, count: number): readonly BarePassage[];
  countMissing(): number;
  /** For those of the passages that are found and have none; returns how many. */
  putVectors(vectors: readonly FilledVector[]): Result<number>;
  /** Of what a source has brought since then and is found, the newest. */
  sketches(source: string, sinceMs: number, count: number): readonly SketchOf[];
  /** `nearest` of the documents that are found, of the newest. */
  nearestScores(count: number): readonly number[];
  /** Of the document's bytes, of every version. */
  digestsOf(uri: string): readonly string[];
  /**
   * All versions of it; returns how many there were. Their bytes are gone from the files when it returns: it fails with
   * `storage_failed` where somebody who reads the file keeps them in its log, and may be called again.
   */
  remove(uri: string): Result<number>;
  /** An earlier version, found again; undefined where there is none. */
  restore(uri: string, version: number): Result<DocumentRecord | undefined>;
  /** Of passages that have any of the words: by BM25, best first. */
  searchWords(words: readonly string[], count: number, filter: CollectionFilter): readonly Ranked[];
  /** By cosine, best first. */
  searchVectors(query: Float32Array, count: number, filter: CollectionFilter): readonly Ranked[];
  countWords(words: readonly string[], filter: CollectionFilter): WordCounts;
  /** In the order of the ids; those that are gone, of an earlier version, or not let through are left out. */
  passages(ids: readonly number[], filter: CollectionFilter): readonly Passage[];
  /** What stands there in the document as it is now; undefined where it has no such place. */
  textAt(uri: string, start: number, end: number): TextAt | undefined;
  /** As in the stats. */
  revision(): number;
  /** Of what the filter lets through; absent: of all that there is, with versions that are not found. */
  stats(filter?: CollectionFilter): CollectionStats;
  /** Some that everybody may read, spread over all, each with how it begins. */
  sampleDocuments(count: number): readonly {
    readonly uri: string;
    readonly title: string;
    readonly text: string;
  }[];
  /** That its vectors take. */
  readonly memoryBytes: number;
  /** A little of what is not urgent; returns whether more is left. */
  work(): boolean;
  /** Undefined: it is this device's own. One that is the cloud's takes no documents but by `commit`. */
  snapshot(): HeldSnapshot | undefined;
  /** By digest. */
  pages(): Readonly<Record<string, string>>;
  whole(uri: string): WholeDocument | undefined;
  /**
   * Beside what is found, until `commit`: by which blob it came.
   * @param vectorsOf whose vectors it has, where that is not this collection's embedder: kept for it, if it is the first
   */
  stage(
    blob: string,
    document: PreparedDocument,
    nowMs: number,
    vectorsOf?: string | null,
  ): Result<void>;
  staged(): readonly StagedDocument[];
  /** In one transaction the snapshot is what is found; of what was before, and is not in it, no byte is left. */
  commit(change: SnapshotChange): Result<void>;
  close(): void;
}
