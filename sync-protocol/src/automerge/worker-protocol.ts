// What the main thread and the documents worker say to each other.

import type { Failure } from '@skerry/shared';
import type { createAutomergeDocuments } from './automerge-documents.ts';

type Documents = ReturnType<typeof createAutomergeDocuments>;
export type Method = keyof Documents;

export interface WorkerRequest {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}

export type WorkerReply = { readonly id: number } & (
  | { readonly value: unknown }
  | { readonly failure: Failure }
);

/** The id of no call: the worker is loaded. */
export const readyId = 0;
