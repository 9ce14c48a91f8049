// A text's tokens, by the tokenizer.json that a model came with: transformers.js's own tokenizer, without its runtimes.

import { Tokenizer } from '@huggingface/tokenizers';
import { err, failure, messageOf, ok, parseJson, type Result } from '@skerry/shared';

export interface TextTokenizer {
  /** With the model's own first and last token; of a text too long the first ones, and the last token all the same. */
  encode(text: string): readonly number[];
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
    const read = (text: string, add_special_tokens: boolean): readonly number[] =>
      tokenizer.encode(text.slice(0, tokensMax * charactersPerTokenMax), { add_special_tokens })
        .ids;
    read('a text', true);
    return ok({
      encode(text) {
        const ids = read(text, true);
        if (ids.length <= tokensMax) return ids;
        return [...ids.slice(0, tokensMax - 1), ids.at(-1) as number];
      },
      count: (text) => read(text, false).length,
    });
  } catch (thrown) {
    return err(failure('invalid_bundle', `no tokenizer: ${messageOf(thrown)}`));
  }
}
