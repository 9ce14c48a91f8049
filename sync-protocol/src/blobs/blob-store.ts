// Where blobs lie: whole ones, whose digest has been verified, and partial ones, which survive a restart.
// The contract suite is testing/blob-store-contract.ts.

import type { Result } from '@skerry/shared';
import { z } from 'zod';
import type { BlobRef } from './blob.ts';

export type Holding =
  | { readonly kind: 'none' }
  | { readonly kind: 'partial'; readonly bytes: number; readonly missing: Uint8Array }
  | { readonly kind: 'whole'; readonly bytes: number };

export interface BlobRecord extends BlobRef {
  readonly whole: boolean;
  /** Of a whole blob its last read, of a partial one its last chunk. */
  readonly usedAtMs: number;
}

export interface BlobStore {
  holding(digest: string): Promise<Result<Holding>>;
  /** Bytes of a whole blob. Fails with `not_found`, or `invalid_argument` for a span beyond its end. */
  read(digest: string, offset: number, length: number): Promise<Result<Uint8Array>>;
  /**
   * One chunk, durable when it resolves. The first one of a blob makes room for all of it, or fails: with `too_large`
   * where it could never fit, with `overloaded` where it could later. A chunk that is there already changes nothing.
   */
  write(ref: BlobRef, index: number, chunk: Uint8Array): Promise<Result<void>>;
  /**
   * Verifies a partial blob without missing chunks and makes it whole, durably. Fails with `digest_mismatch`, and then
   * nothing of it is kept; with `invalid_argument` while chunks are missing. Of a whole blob: ok.
   */
  finish(digest: string): Promise<Result<void>>;
  /** Whole or partial; ok where there is neither. */
  remove(digest: string): Promise<Result<void>>;
  list(): Promise<Result<readonly BlobRecord[]>>;
}

/** Who still needs a blob. What nobody refers to may be evicted when room is needed. */
export interface BlobReferences {
  /** Durable when it resolves. Refer to a blob before anything durable names it. */
  add(digest: string, owner: string): Promise<Result<void>>;
  /** Drop a reference after the last durable thing that named the blob has gone. */
  drop(digest: string, owner: string): Promise<Result<void>>;
  has(digest: string): boolean;
  owners(digest: string): readonly string[];
  /** All that anybody refers to. */
  digests(): readonly string[];
}

/** Of a reference: safe in a file name. */
export const blobOwnerSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,127}$/, 'expected 1–128 of a–z 0–9 . _ -');
