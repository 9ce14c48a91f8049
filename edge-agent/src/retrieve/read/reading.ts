// What a reader makes of a document's bytes, and what reading one may cost. Readers of kinds that unpack themselves, or
// that others' code parses, run in a thread that is ended where it goes beyond this.

import type { Result } from '@skerry/shared';
import type { SourceDocument } from '../passage.ts';

export type Read = Pick<SourceDocument, 'title' | 'text' | 'language' | 'pages' | 'rows'> & {
  /** Characters that no person would have seen; they are not in the text. */
  readonly hidden?: number;
  /** Pages of which something behind a place that is broken was not read; from 1. */
  readonly cutPages?: readonly number[];
};

/** Fails with `invalid_argument` and the reason, or `too_large`. Never throws. */
export type Reader = (bytes: Uint8Array) => Result<Read> | Promise<Result<Read>>;

export type ThreadKind = 'csv' | 'docx' | 'pdf';
/** As a reader of its kind, in a thread: also `too_large` where a limit ends it, `overloaded` where too many wait. */
export type ReadInThread = (kind: ThreadKind, bytes: Uint8Array) => Promise<Result<Read>>;

export const documentBytesMax = 64 * 1024 * 1024;
export const documentCharactersMax = 16_000_000;
/** Of all that is unpacked of an archive, whatever its directory says. */
export const expandedBytesMax = 256 * 1024 * 1024;
export const pagesMax = 5_000;
export const rowsMax = 100_000;
export const columnsMax = 512;
