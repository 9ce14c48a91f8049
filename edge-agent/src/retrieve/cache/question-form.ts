// What two questions must have in common before one's answer may serve the other. Vectors do not tell a question from its
// reversal, 400 mg from 800 mg, or `is` from `is not` (GPTCache #694: cosines of .83 to .9997); words in their order do.
// So look-alikes have the same words of meaning, numbers and negations among them, in the same order.

import { normaliseQuestion } from './normalise-question.ts';

/** Says nothing of what is asked. Not among them: question words, prepositions, modal verbs, whatever a `not` goes with. */
const empty = new Set(
  'a an the is are am be do does please kindly just also hi hello hey thanks thank'.split(' '),
);

/** Whoever asks is one or many. Never `you`: `my name` is not `your name`. */
const persons = new Map([
  ['we', 'i'],
  ['us', 'me'],
  ['our', 'my'],
]);

const opening =
  /^(?:(?:please|hi|hello|hey|thanks)[,.!]* |(?:can|could|would|will) you (?:please )?(?=tell|show|say|explain)|(?:tell|show) me |(?:do you|i (?:want|would like|need) to) know )+/;

const negations: readonly (readonly [RegExp, string])[] = [
  [/\b(?:can't|cannot)\b/g, 'can not'],
  [/\bwon't\b/g, 'will not'],
  [/\bshan't\b/g, 'shall not'],
  [/n't\b/g, ' not'],
];

/** A number with its point, its sign and its parts; else letters. Signs of a formula are words of their own. */
const token = /[-+]?\d+(?:[.,:/]\d+)*|\p{L}[\p{L}\p{M}]*|[<>=≤≥≠±%°€$£+/*-]/gu;

/** Changes with the rules above: what was compared by others is not comparable. */
export const questionFormVersion = 1;

/** Fewer words say too little: `thanks again` and `again`. Such a question has no look-alike. */
export const formWordsMin = 3;

export function questionForm(question: string): readonly string[] {
  let text = normaliseQuestion(question).replace(/[’ʼ]/g, "'").replace(opening, '');
  for (const [pattern, plain] of negations) text = text.replace(pattern, plain);
  const words = (text.replace(/'s\b/g, ' is').match(token) ?? [])
    .filter((word) => !empty.has(word))
    .map((word) => persons.get(word) ?? singular(word));
  return words;
}

/** Of many as of one: `valves`, not `pass`, `gas`, `this`, `status`. */
const singular = (word: string): string =>
  word.length >= 5 && /[^sui]s$/.test(word) ? word.slice(0, -1) : word;
