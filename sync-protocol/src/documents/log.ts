// Where a replica's documents last: the port. A save and the changes after it; the heads they lead to are recorded beside
// them, and asserted when they are read again. Asynchronous, as a database server is.

import type { Result } from '@skerry/shared';
import type { Heads } from './engine.ts';

export interface SavedDocument {
  readonly epoch: number;
  /** Rises with everything that is recorded: what a reader has seen, and what a writer built on. */
  readonly version: number;
  readonly heads: Heads;
  /** When the first change past the epoch's beginning was recorded here; absent where there is none. */
  readonly sinceMs: number | undefined;
  /** Absent before the first rewrite. */
  readonly save: Uint8Array | undefined;
  readonly changes: readonly Uint8Array[];
}

export type Rewrite = Omit<SavedDocument, 'version' | 'save' | 'changes'> & {
  readonly save: Uint8Array;
};

export interface Quarantined {
  readonly document: string;
  /** The device it came from, or `coordinator` or `relay`. */
  readonly source: string;
  readonly reason: string;
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

/** What nobody has recorded anything of is a document of epoch 1, version 0, without heads. */
export interface DocumentLog {
  load(document: string): Promise<Result<SavedDocument>>;
  /** Adds changes to version `version`. `false`: that is no longer the version, and nothing has changed. */
  append(
    document: string,
    version: number,
    changes: readonly Uint8Array[],
    leadingTo: Pick<SavedDocument, 'heads' | 'sinceMs'>,
  ): Promise<Result<boolean>>;
  /** A save takes the place of all that is held, likewise. */
  rewrite(document: string, version: number, by: Rewrite): Promise<Result<boolean>>;
  /** Keeps what was refused for a person to look at; the oldest goes when there is too much. */
  quarantine(entry: Quarantined): Promise<Result<void>>;
}

/** Of what is kept of a refused frame, and how many. */
export const quarantinedBytesMax = 64 * 1024;
export const quarantinedEntriesMax = 256;
