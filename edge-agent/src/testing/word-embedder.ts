// An embedder of words without weights: each word's vector is drawn from the word, and a text is the sum of its words. Two
// texts that share words are near each other, and nothing else is.

import { createRandom, ok } from '@skerry/shared';
import { contentWordsOf } from '../retrieve/match-query.ts';
import type { TextEmbedder } from '../retrieve/text-embedder.ts';

export function createWordEmbedder(
  dimensions = 64,
  sure = 0.8,
): TextEmbedder & { readonly embedded: string[] } {
  const embedded: string[] = [];
  const wordVector = (word: string): Float32Array => {
    let seed = 7;
    for (const character of word.slice(0, 6))
      seed = (seed * 31 + (character.codePointAt(0) ?? 0)) | 0;
    const random = createRandom(seed >>> 0);
    return Float32Array.from({ length: dimensions }, () => random.gaussian());
  };
  return {
    embedded,
    digest: `sha256:${'e'.repeat(64)}`,
    dimensions,
    tokensMax: 256,
    answers: { sentence: 7, passage: 7, coverage: 1, bias: -6.6, threshold: 0.5, sure },
    countTokens: (text) => Math.ceil(text.length / 5),
    async embed(texts) {
      const vectors = new Float32Array(texts.length * dimensions);
      for (const [i, text] of texts.entries()) {
        embedded.push(text);
        const vector = vectors.subarray(i * dimensions, (i + 1) * dimensions);
        for (const word of contentWordsOf(text))
          for (const [d, value] of wordVector(word).entries())
            vector[d] = (vector[d] as number) + value;
        const length = Math.hypot(...vector) || 1;
        for (let d = 0; d < dimensions; d++) vector[d] = (vector[d] as number) / length;
      }
      return ok(vectors);
    },
  };
}
