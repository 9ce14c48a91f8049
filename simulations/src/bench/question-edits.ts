// Sentences made from others by rule: such as ask something else, and such as ask the same in other words.

/** Undefined where a sentence has no place for it. */
export interface Edits {
  readonly number: string | undefined;
  readonly negation: string | undefined;
  /** Two words have changed places. */
  readonly roles: string | undefined;
  readonly same: readonly string[];
}

const numberWords = 'one two three four five six seven eight nine ten twenty thirty fifty hundred';
const numbers = new RegExp(`\\d+|\\b(?:${numberWords.replaceAll(' ', '|')})\\b`, 'i');
const verbs = /\b(?:is|are|was|can|do|does|did|will|should|would|could|have|has|must|may)\b/i;
/** Words that a sentence has a sense without. */
const wordsMin = 4;

export function editsOf(sentence: string): Edits {
  return {
    number: otherNumber(sentence),
    negation: verbs.test(sentence) ? sentence.replace(verbs, (verb) => `${verb} not`) : undefined,
    roles: swapped(sentence),
    same: [`Please, ${sentence}`, `Hi, can you tell me ${sentence}?`, `${sentence}, thanks`],
  };
}

function otherNumber(sentence: string): string | undefined {
  const found = numbers.exec(sentence)?.[0];
  if (found === undefined) return undefined;
  const other = /\d/.test(found) ? String(2 * Number(found) + 1) : found === 'two' ? 'five' : 'two';
  return sentence.replace(found, other);
}

/** The first and the last of its longer words, where they are not the same. */
function swapped(sentence: string): string | undefined {
  const words = sentence.split(' ');
  const long = words.flatMap((word, i) => (word.length >= wordsMin ? [i] : []));
  const first = long.at(0) ?? 0;
  const last = long.at(-1) ?? 0;
  if (words[first] === words[last]) return undefined;
  return words
    .with(first, words[last] as string)
    .with(last, words[first] as string)
    .join(' ');
}
