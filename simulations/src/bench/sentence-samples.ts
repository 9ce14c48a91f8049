// Sentences as a BERT takes them, as a file of requests for `models quantize --samples`.

import { readFile, writeFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';

export async function writeSentenceSamples(
  texts: readonly string[],
  tokenizerFile: string,
  file: string,
): Promise<void> {
  const tokenizer = new Tokenizer(JSON.parse(await readFile(tokenizerFile, 'utf8')), {});
  const lines = texts.map((text) => {
    const ids: readonly number[] = tokenizer.encode(text).ids;
    const input = (name: string, data: readonly number[]) => {
      return { name, datatype: 'INT64', shape: [1, ids.length], data };
    };
    const constant = (value: number): number[] => ids.map(() => value);
    const inputs = [
      input('input_ids', ids),
      input('attention_mask', constant(1)),
      input('token_type_ids', constant(0)),
    ];
    return JSON.stringify({ inputs });
  });
  await writeFile(file, lines.join('\n'));
}
