// The threshold of a text router, from answered questions that did not train it: as an exit's, with the same guarantee.

import {
  type ChooseOptions,
  chooseThreshold,
  type Threshold,
} from '../calibration/choose-threshold.ts';
import { createTextRouter, type TextRouterWeights } from './text-router.ts';
import { type AnsweredQuestion, qualityLoss } from './train-text-router.ts';

/** Risk: the share of all questions that went to the weak model, which only the strong one would have answered rightly. */
export function calibrateTextRouter(
  weights: TextRouterWeights,
  questions: readonly AnsweredQuestion[],
  options: Omit<ChooseOptions, 'binary'>,
): { readonly weights: TextRouterWeights; readonly found: Threshold } {
  const router = createTextRouter(weights);
  const outcomes = questions.map((question) => ({
    confidence: router.route(question.text).confidence,
    loss: qualityLoss(question),
  }));
  const found = chooseThreshold(outcomes, { ...options, binary: true });
  return { weights: { ...weights, threshold: found.threshold }, found };
}
