// Decides before any answer whether the weak model's will do, or the strong one is to be asked: a logistic model of "the
// strong model is right where the weak one is wrong". The threshold is a calibration's, as an exit's is.

import { assert } from '@skerry/shared';
import { z } from 'zod';
import { lexicalCount, type TextFeatures, textFeatures, wordBuckets } from './text-features.ts';

const finite = z.number();

export const textRouterSchema = z.strictObject({
  schema: z.literal('skerry.text-router/1'),
  /** Of each lexical feature, over the training questions. */
  means: z.array(finite).length(lexicalCount),
  deviations: z.array(finite.positive()).length(lexicalCount),
  lexical: z.array(finite).length(lexicalCount),
  words: z.array(finite).length(wordBuckets),
  bias: finite,
  /** Ask the weak model where confidence in it ≥ threshold; null: always the strong one. */
  threshold: finite.min(0).max(1).nullable(),
});

export type TextRouterWeights = z.infer<typeof textRouterSchema>;

export interface Route {
  readonly to: 'weak' | 'strong';
  /** 1 − P(the strong model is right where the weak one is wrong). */
  readonly confidence: number;
}

export interface TextRouter {
  route(text: string): Route;
}

export function createTextRouter(weights: TextRouterWeights): TextRouter {
  const { threshold } = weights;
  return {
    route(text) {
      const confidence = 1 - gainProbability(weights, textFeatures(text));
      const trusted = threshold !== null && confidence >= threshold;
      return { to: trusted ? 'weak' : 'strong', confidence };
    },
  };
}

/** P(the strong model is right where the weak one is wrong). */
export function gainProbability(
  { means, deviations, lexical, words, bias }: Omit<TextRouterWeights, 'schema' | 'threshold'>,
  features: TextFeatures,
): number {
  assert(features.lexical.length === means.length, 'the features of this router');
  let z = bias;
  for (let i = 0; i < means.length; i++) {
    const centred = (features.lexical[i] as number) - (means[i] as number);
    z += ((lexical[i] as number) * centred) / (deviations[i] as number);
  }
  // A long question must not be surer for its length alone.
  const scale = 1 / Math.sqrt(Math.max(1, features.words.length));
  for (const bucket of features.words) z += scale * (words[bucket] as number);
  return 1 / (1 + Math.exp(-z));
}
