// A text's tokens, by the tokenizer.json that a model came with: transformers.js's own tokenizer, without its runtimes.

import { Tokenizer } from '@huggingface/tokenizers';
import { err, failure, messageOf, ok, parseJson, type Result } from '@skerry/shared';
import type { Tokens } from './token-inputs.ts';

export interface TextTokenizer {
  /** With the model's own first and last token; of a text too long the first ones, and the last token all the same. */
  encode(text: string): readonly number[];
  /** Two that are read together. Of what is too long the end of the second is left out. */
  encodePair(first: string, second: string): Tokens;
  /** Without the model's own. Of a text too long for any model it is the count of what would be read of it. */
  count(text: string): number;
}

/** No word of a vocabulary is longer: so much of a text can matter and no more. */
const charactersPerTokenMax = 32;

/** Fails with `invalid_bundle`. */
export function createTextTokenizer(bytes: Uint8Array, tokensMax: number): Result<TextTokenizer> {
  const json = parseJson(bytes, 'tokenizer', 'invalid_bundle');
  if (!json.ok) return json;
  try {
    const tokenizer = new Tokenizer(json.value as object, {});
    const cut = (text: string): string => text.slice(0, tokensMax * charactersPerTokenMax);
    const read = (text: string, add_special_tokens: boolean): readonly number[] =>
      tokenizer.encode(cut(text), { add_special_tokens }).ids;
    read('a text', true);
    return ok({
      encode(text) {
        const ids = read(text, true);
        if (ids.length <= tokensMax) return ids;
        return [...ids.slice(0, tokensMax - 1), ids.at(-1) as number];
      },
      encodePair(first, second) {
        const { ids, token_type_ids: types } = tokenizer.encode(cut(first), {
          text_pair: cut(second),
          add_special_tokens: true,
          return_token_type_ids: true,
        });
        if (ids.length <= tokensMax) return { ids, types };
        const fitted = (all: readonly number[]) => [
          ...all.slice(0, tokensMax - 1),
          all.at(-1) as number,
        ];
        return { ids: fitted(ids), types: fitted(types) };
      },
      count: (text) => read(text, false).length,
    });
  } catch (thrown) {
    return err(failure('invalid_bundle', `no tokenizer: ${messageOf(thrown)}`));
  }
}
