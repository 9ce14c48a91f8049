// Whether what was found is an answer: a logistic regression over three features, and the bar below which the device says
// that it does not know. It says whether a question is about what the library holds, not that the sentence is the right one.

import type { AnswerFeatures } from './extract-answer.ts';

/** Weights of the features, each 0–1, as an embedder brings them. */
export interface AnswerConfidence extends AnswerFeatures {
  readonly bias: number;
  /** Below it: 'I do not know'. */
  readonly threshold: number;
  /** Below it the answer is given, and somebody else is asked all the same. */
  readonly sure: number;
}

/** Words alone tell: what is found must have most of what was asked. Of an embedder that says nothing of itself, too. */
export const wordsConfidence: AnswerConfidence = {
  sentence: 0,
  passage: 0,
  coverage: 12,
  bias: -9,
  threshold: 0.5,
  sure: 0.9,
};

export function confidenceOf(features: AnswerFeatures, weights: AnswerConfidence): number {
  const z =
    weights.bias +
    weights.sentence * features.sentence +
    weights.passage * features.passage +
    weights.coverage * features.coverage;
  return 1 / (1 + Math.exp(-z));
}
