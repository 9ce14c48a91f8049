// Where the repository lies. What is published is a **head**, one small record that says which file is which bytes, and
// the bytes, by their sha256. A head replaces the one before it or does not: so a publication is there as a whole, or not at all, however many files it has and whatever is cut between two of them.

import { digestSchema, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { Metadata } from './metadata.ts';

const filesMax = 2_048;

export const headSchema = z.strictObject({
  /** 1, 2, … */
  revision: z.int().positive(),
  /** By the name that a client asks for, such as 3.root.json. */
  files: z
    .record(z.string().regex(/^[1-9]\d{0,8}\.[a-z0-9][a-z0-9._-]{0,63}\.json$/), digestSchema)
    .refine((files) => Object.keys(files).length <= filesMax, `at most ${filesMax} files`),
  /** timestamp.json, the one file that is replaced. */
  timestamp: digestSchema,
});
export type Head = z.infer<typeof headSchema>;

export interface TrustStore {
  /** What is published; undefined before the first publication. */
  head(): Promise<Result<Head | undefined>>;
  /**
   * Publishes. Durable when it returns. Fails with `overloaded` where somebody else has published since: `revision` is
   * not the one after the last.
   */
  commit(head: Head): Promise<Result<void>>;
  /** Durable when it returns; the same bytes twice are one. */
  write(bytes: Uint8Array): Promise<Result<string>>;
  /** Fails with `not_found`, or `digest_mismatch` where the disk lies. */
  read(digest: string): Promise<Result<Uint8Array>>;
  /** Forgets all other bytes, except those so new that a publication under way may want them. */
  prune(keep: ReadonlySet<string>): Promise<Result<void>>;
}

/** Metadata that waits for signatures, by role: what goes to the key holders and comes back. */
export interface StagingArea {
  list(): Promise<Result<ReadonlyMap<string, Metadata>>>;
  put(role: string, metadata: Metadata): Promise<Result<void>>;
  drop(role: string): Promise<Result<void>>;
}
