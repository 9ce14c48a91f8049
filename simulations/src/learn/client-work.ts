// What is asked of a virtual client and what comes of it, as it crosses threads.

import type { Compression } from '@skerry/sync-protocol/learn';
import type { Behaviour } from './behaviour.ts';

export interface ClientWork {
  readonly kind: 'train';
  readonly parameters: Float32Array<SharedArrayBuffer>;
  /** Which of the examples are its own. */
  readonly indices: Uint32Array;
  readonly task: {
    readonly epochs: number;
    readonly batch?: number;
    readonly learningRate: number;
    readonly proximalMu: number;
    readonly stepsMax?: number;
    readonly seed: number;
  };
  readonly compression: Compression;
  readonly behaviour?: Behaviour;
  /** What it has kept from round to round, by slot. */
  readonly state: ReadonlyMap<string, Uint8Array>;
}

export type WorkedReply =
  | ({ readonly kind: 'trained' } & SentUpdate)
  /** Its training came to no number: a client says so and is not counted. */
  | { readonly kind: 'failed'; readonly message: string };

export interface SentUpdate {
  /** As the server reads it: after compression and back. */
  readonly delta: Float32Array<ArrayBuffer>;
  readonly bytes: number;
  readonly examples: number;
  readonly steps: number;
  readonly completed: number;
  readonly loss: number;
  /** What it keeps anew. */
  readonly state: ReadonlyMap<string, Uint8Array>;
}

export interface EvaluateWork {
  readonly kind: 'evaluate';
  readonly parameters: Float32Array<SharedArrayBuffer>;
  readonly from: number;
  readonly until: number;
}

export interface Scored {
  readonly kind: 'scored';
  readonly right: number;
  /** The sum over the examples. */
  readonly loss: number;
}
