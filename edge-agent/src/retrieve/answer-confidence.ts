// Whether what was found is an answer: a logistic regression over three features, and the bar below which the device says
// that it does not know. Fitted on questions that a collection can answer and on questions about something else.

import type { AnswerFeatures } from './extract-answer.ts';

export interface AnswerConfidence {
  readonly weights: AnswerFeatures;
  readonly bias: number;
  /** Below it: 'I do not know'. */
  readonly threshold: number;
}

/**
 * Of all-MiniLM-L6-v2: fitted on the 225 questions of Cranfield over its abstracts, and 225 of CLINC150, which those
 * abstracts cannot answer. It says whether a question is about what the library holds, not that the sentence is right.
 */
export const defaultConfidence: AnswerConfidence = {
  weights: { sentence: 7, passage: 7, coverage: 1 },
  bias: -6.6,
  threshold: 0.5,
};

/** Without an embedder words alone tell: what is found must have most of what was asked. */
export const wordsConfidence: AnswerConfidence = {
  weights: { sentence: 0, passage: 0, coverage: 12 },
  bias: -9,
  threshold: 0.5,
};

export function confidenceOf(
  features: AnswerFeatures,
  { weights, bias }: AnswerConfidence,
): number {
  const { sentence, passage, coverage } = features;
  const z =
    bias + weights.sentence * sentence + weights.passage * passage + weights.coverage * coverage;
  return 1 / (1 + Math.exp(-z));
}
