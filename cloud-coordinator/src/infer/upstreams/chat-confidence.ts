// How sure a language model was of its text: the geometric mean of its tokens' probabilities, which a long text does not
// bring to nought as their product would. 1 is certain. It is a score to be calibrated, not a probability of being right.

import { z } from 'zod';

export const tokenProbabilities = z.looseObject({
  content: z.array(z.looseObject({ logprob: z.number() })).nullish(),
});

export type TokenProbability = { readonly logprob: number };

/** Undefined of no tokens: who gives no probabilities has said nothing. */
export function confidenceOf(tokens: readonly TokenProbability[]): number | undefined {
  if (tokens.length === 0) return undefined;
  const mean = tokens.reduce((sum, { logprob }) => sum + logprob, 0) / tokens.length;
  return Math.min(1, Math.exp(mean));
}
