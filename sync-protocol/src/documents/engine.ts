// What integrates changes: the port over the CRDT. It holds open documents in memory only, each call is bounded in time,
// and whatever it refuses or dies of leaves every document as the log has it: open it again.

import type { Failure, Result } from '@skerry/shared';
import type { Writable } from './document.ts';
import type { Edit } from './leaves.ts';

export type Heads = readonly string[];

/** A leaf with the values that lost against it, where several have written at once. */
export interface LeafView {
  readonly path: string;
  readonly json: string;
  readonly others: readonly string[];
}

export type Content =
  | { readonly kind: 'changes'; readonly changes: readonly Uint8Array[] }
  | { readonly kind: 'save'; readonly save: Uint8Array };

export interface Integrated {
  /** The changes that were new, in an order in which they can be applied. */
  readonly fresh: readonly Uint8Array[];
  readonly heads: Heads;
  /** Something that these changes build on is not here: nothing was integrated. */
  readonly missing: boolean;
}

/** Whether the content itself was at fault, and would be again. */
export const isRefusal = ({ code }: Failure): boolean =>
  code === 'malformed_message' ||
  code === 'too_large' ||
  code === 'deadline_exceeded' ||
  code === 'runtime_failed';

/**
 * Every call but `open` fails with `not_found` where the document is not open. Content fails with `malformed_message`,
 * `too_large`, `deadline_exceeded` (it took too long) or `runtime_failed` (it broke the engine); the document is then
 * closed.
 */
export interface DocumentEngine {
  /** From what a log holds: a save and changes after it. `actor` must never have been used: 32 hex digits. */
  open(document: string, chunks: readonly Uint8Array[], actor: string): Promise<Result<Heads>>;
  /** Without edits: a change that joins all heads into one. */
  edit(
    document: string,
    edits: readonly Edit[],
  ): Promise<Result<{ readonly change: Uint8Array; readonly heads: Heads }>>;
  /** `heads` are what the sender has with it; `writable` what the sender may touch. */
  integrate(
    document: string,
    content: Content,
    heads: Heads,
    writable: Writable,
  ): Promise<Result<Integrated>>;
  /** Changes that are not in the past of `heads`; of heads that are unknown here nothing is concluded. */
  since(document: string, heads: Heads): Promise<Result<readonly Uint8Array[]>>;
  /** Those of `heads` that this document contains. */
  known(document: string, heads: Heads): Promise<Result<Heads>>;
  /** By actor, its last change: those of the newest changes last. */
  lastOfActors(document: string): Promise<Result<ReadonlyMap<string, string>>>;
  /** Path and JSON of each leaf. */
  leaves(document: string): Promise<Result<readonly (readonly [string, string])[]>>;
  /** The same with what lost: it costs several times as much. */
  read(document: string): Promise<Result<readonly LeafView[]>>;
  save(document: string): Promise<Result<Uint8Array>>;
  /**
   * The document becomes `save`, with the edits of actors that begin with `author` and are not in the past of `basis`
   * made again. Returns the save with them.
   */
  replace(
    document: string,
    save: Uint8Array,
    basis: Heads,
    author: string,
    actor: string,
  ): Promise<
    Result<{ readonly save: Uint8Array; readonly heads: Heads; readonly replayed: number }>
  >;
  /** The document without its past. */
  dropPast(
    document: string,
    actor: string,
  ): Promise<Result<{ readonly save: Uint8Array; readonly heads: Heads }>>;
  close(): Promise<void>;
}
