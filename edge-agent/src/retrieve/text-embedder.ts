// The port to what makes vectors: an embedder of `models` at hand, or a coordinator that has one.

import type { Result } from '@skerry/shared';
import type { AnswerConfidence } from './answer-confidence.ts';

export interface TextEmbedder {
  readonly digest: string;
  readonly dimensions: number;
  readonly tokensMax: number;
  readonly answers?: AnswerConfidence | undefined;
  /** It may be away: then words alone are searched, and vectors are made later. */
  readonly isElsewhere?: boolean;
  countTokens(text: string): number;
  /** @param leftMs how long somebody waits for it; absent: as long as it takes at most */
  embed(texts: readonly string[], leftMs?: number): Promise<Result<Float32Array<ArrayBuffer>>>;
}

/** Texts that are given to it at once. */
export const embedBatch = 16;

export const vectorAt = (
  vectors: Float32Array<ArrayBuffer>,
  i: number,
  dimensions: number,
): Float32Array<ArrayBuffer> => vectors.slice(i * dimensions, (i + 1) * dimensions);
