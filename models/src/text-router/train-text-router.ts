// Trains a text router on questions that both models have answered: L2-regularised logistic regression, by full-batch
// gradient descent with momentum, so that the same questions give the same router.

import { assert } from '@skerry/shared';
import { lexicalCount, type TextFeatures, textFeatures, wordBuckets } from './text-features.ts';
import { gainProbability, type TextRouterWeights } from './text-router.ts';

export interface AnsweredQuestion {
  readonly text: string;
  readonly weakRight: boolean;
  readonly strongRight: boolean;
}

export interface TextRouterOptions {
  /** Which features may weigh anything; all of them unless told. */
  readonly use?: { readonly lexical: readonly number[] | 'all'; readonly words: boolean };
}

const steps = 300;
const momentum = 0.9;
const learningRate = 0.3;
/** Words are rare, so their gradients are small. */
const wordLearningRate = 0.9;
const lexicalDecay = 0.03;
const wordDecay = 0.001;

/** What the weak model's answer costs: 1 where only the strong one is right. */
export const qualityLoss = ({ weakRight, strongRight }: AnsweredQuestion): number =>
  Number(strongRight && !weakRight);

/** Without a threshold: calibrating it takes questions that did not train. */
export function trainTextRouter(
  questions: readonly AnsweredQuestion[],
  { use = { lexical: 'all', words: true } }: TextRouterOptions = {},
): TextRouterWeights {
  assert(questions.length > 0, 'there is something to learn from');
  const features = questions.map(({ text }) => textFeatures(text));
  const targets = questions.map(qualityLoss);
  const { means, deviations } = scalesOf(features);
  const weights = {
    means,
    deviations,
    lexical: new Array<number>(lexicalCount).fill(0),
    words: new Array<number>(wordBuckets).fill(0),
    bias: 0,
  };
  const velocity = {
    lexical: new Float64Array(lexicalCount),
    words: new Float64Array(wordBuckets),
    bias: 0,
  };
  for (let step = 0; step < steps; step++) {
    const gradient = gradientOf(weights, features, targets);
    for (const i of weights.lexical.keys()) {
      if (use.lexical !== 'all' && !use.lexical.includes(i)) continue;
      const slope = (gradient.lexical[i] as number) + lexicalDecay * (weights.lexical[i] as number);
      velocity.lexical[i] = momentum * (velocity.lexical[i] as number) - learningRate * slope;
      weights.lexical[i] = (weights.lexical[i] as number) + (velocity.lexical[i] as number);
    }
    for (const i of use.words ? weights.words.keys() : []) {
      const slope = (gradient.words[i] as number) + wordDecay * (weights.words[i] as number);
      velocity.words[i] = momentum * (velocity.words[i] as number) - wordLearningRate * slope;
      weights.words[i] = (weights.words[i] as number) + (velocity.words[i] as number);
    }
    velocity.bias = momentum * velocity.bias - learningRate * gradient.bias;
    weights.bias += velocity.bias;
  }
  return { schema: 'skerry.text-router/1', ...weights, threshold: null };
}

type Trained = Omit<TextRouterWeights, 'schema' | 'threshold'>;

function gradientOf(
  weights: Trained,
  features: readonly TextFeatures[],
  targets: readonly number[],
) {
  const lexical = new Float64Array(lexicalCount);
  const words = new Float64Array(wordBuckets);
  let bias = 0;
  for (const [example, of] of features.entries()) {
    const error = (gainProbability(weights, of) - (targets[example] as number)) / features.length;
    bias += error;
    for (let i = 0; i < lexicalCount; i++) {
      const centred = (of.lexical[i] as number) - (weights.means[i] as number);
      lexical[i] = (lexical[i] as number) + (error * centred) / (weights.deviations[i] as number);
    }
    const scaled = error / Math.sqrt(Math.max(1, of.words.length));
    for (const bucket of of.words) words[bucket] = (words[bucket] as number) + scaled;
  }
  return { lexical, words, bias };
}

function scalesOf(features: readonly TextFeatures[]) {
  const columns = Array.from({ length: lexicalCount }, (_, i) =>
    features.map(({ lexical }) => lexical[i] as number),
  );
  const means = columns.map((column) => column.reduce((sum, v) => sum + v, 0) / column.length);
  const deviations = columns.map((column, i) => {
    const variance = column.reduce((sum, v) => sum + (v - (means[i] as number)) ** 2, 0);
    // What never varies must not divide by 0.
    return Math.sqrt(variance / column.length) || 1;
  });
  return { means, deviations };
}
