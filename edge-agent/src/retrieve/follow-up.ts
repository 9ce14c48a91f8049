// What a question is searched as in a conversation: one that says too little by itself is searched together with the one
// that it goes on from. Pure.

import { isCommonWord, wordsOf } from './match-query.ts';

/** A question of fewer, without a verb, is a piece of one. */
const ownWordsMin = 2;
/** One that points back, or begins as one that goes on, needs more. */
const pointingWordsMin = 4;
const setOf = (words: string): ReadonlySet<string> => new Set(words.split(' '));
const pointing = setOf('it its that this they them their these those he she there one ones');
const verbs = setOf(
  'is are am was were do does did can could should will would may might must has have had',
);
const goingOn = /^\s*(?:and|but|or|so|also|then|what about|how about|what if)\b/i;

/** That it is no question by itself. */
export function isFollowUp(question: string): boolean {
  const words = wordsOf(question);
  const own = ownWordsOf(question).length;
  if (own === 0) return true;
  if (own < ownWordsMin && !words.some((word) => verbs.has(word))) return true;
  const points = goingOn.test(question) || words.some((word) => pointing.has(word));
  return points && own < pointingWordsMin;
}

/** Those that say what it is about, each once. */
export const ownWordsOf = (question: string): readonly string[] => [
  ...new Set(wordsOf(question).filter((word) => !isCommonWord(word) && !pointing.has(word))),
];

/**
 * The question that it goes on from; undefined where it needs none, or there is none.
 * @param earlier what was asked before it, oldest first
 */
export const topicOf = (question: string, earlier: readonly string[]): string | undefined =>
  isFollowUp(question)
    ? (earlier.findLast((each) => !isFollowUp(each)) ?? earlier.at(-1))
    : undefined;
