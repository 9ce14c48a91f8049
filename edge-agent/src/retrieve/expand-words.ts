// A question's words, and those of the passages that its own words find best: what answers it may be said in others (RM3:
// Abdul-Jaleel and others, UMass at TREC 2004). A word that weighs more stands there more than once: BM25 counts it so often.

import { contentWordsOf } from './match-query.ts';

/** What a question's words have found. */
export interface Feedback {
  readonly text: string;
  /** Of the ranking, above 0. */
  readonly score: number;
}

export const feedbackPassages = 10;
const termsMax = 10;
/** Of all weight, what the question's own words have. */
const ownShare = 0.5;
const timesMax = 4;
/** Shorter words say little. */
const charactersMin = 3;

export function expandWords(
  words: readonly string[],
  feedback: readonly Feedback[],
): readonly string[] {
  const terms = relevantTerms(feedback);
  if (terms.length === 0) return words;
  const weights = new Map(words.map((word) => [word, ownShare / words.length]));
  const sum = terms.reduce((total, [, weight]) => total + weight, 0);
  for (const [word, weight] of terms)
    weights.set(word, (weights.get(word) ?? 0) + ((1 - ownShare) * weight) / sum);
  const most = Math.max(...weights.values());
  const times = (word: string, weight: number): number =>
    Math.max(words.includes(word) ? 1 : 0, Math.round((timesMax * weight) / most));
  return [...weights].flatMap(([word, weight]) => Array(times(word, weight)).fill(word));
}

/** The likeliest words of passages, each passage by its score. */
function relevantTerms(feedback: readonly Feedback[]): readonly (readonly [string, number])[] {
  const total = feedback.reduce((sum, { score }) => sum + score, 0);
  const model = new Map<string, number>();
  for (const { text, score } of feedback) {
    const words = contentWordsOf(text);
    for (const word of words)
      model.set(word, (model.get(word) ?? 0) + score / total / words.length);
  }
  return [...model]
    .filter(([word]) => word.length >= charactersMin)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, termsMax);
}
