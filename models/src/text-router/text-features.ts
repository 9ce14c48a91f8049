// What a text router knows of a question before anybody answers it: how long and how entangled it is, and its words, hashed
// into a fixed number of buckets, so that a router is the same few kilobytes whatever it was trained on.

/** What is counted in a question; how often, each on its own scale. */
const patterns: readonly RegExp[] = [
  /[.?!](?:\s|$)/g,
  /%|percent/g,
  /half|third|quarter|fraction|\d\/\d/g,
  /twice|double|times|triple/g,
  /\b(?:each|every|per)\b/g,
  /\bthan\b/g,
  /remain|left\b|\brest\b/g,
  /\$|dollar|cost|price|pay/g,
  /hour|minute|\bday|week|month|year/g,
  /\bif\b/g,
  /total|altogether|combined|in all/g,
  /average|ratio|speed|\brate/g,
  /\b(?:first|then|after|before)\b/g,
];

/** Length, words, numbers, largest number, fractions, distinct numbers, letters a word; then the patterns. */
export const lexicalCount = 7 + patterns.length;

export const wordBuckets = 2048;
/** Longer texts are read up to here: a router must not take longer than the answer. */
const charsMax = 16_384;

export interface TextFeatures {
  readonly lexical: Float64Array;
  /** Buckets of the text's distinct words, each once. */
  readonly words: readonly number[];
}

export function textFeatures(text: string): TextFeatures {
  const lower = text.slice(0, charsMax).toLowerCase();
  const words = lower.match(/\p{L}+/gu) ?? [];
  const numbers = (lower.match(/\d[\d,]*(?:\.\d+)?/g) ?? []).map((n) =>
    Number(n.replaceAll(',', '')),
  );
  const letters = words.reduce((sum, word) => sum + word.length, 0);
  const lexical = Float64Array.of(
    Math.log1p(lower.length),
    Math.log1p(words.length),
    Math.log1p(numbers.length),
    Math.log1p(numbers.reduce((max, n) => Math.max(max, n), 0)),
    numbers.filter((n) => !Number.isInteger(n)).length,
    new Set(numbers).size / (1 + numbers.length),
    letters / Math.max(1, words.length),
    ...patterns.map((pattern) => lower.match(pattern)?.length ?? 0),
  );
  const tokens = lower.replace(/\d[\d,.]*/g, '#').match(/\p{L}+|[#%$]/gu) ?? [];
  return { lexical, words: [...new Set(tokens.map(bucketOf))] };
}

/** FNV-1a, 32 bits. */
function bucketOf(token: string): number {
  let hash = 2_166_136_261;
  for (let i = 0; i < token.length; i++) hash = Math.imul(hash ^ token.charCodeAt(i), 16_777_619);
  return (hash >>> 0) % wordBuckets;
}
