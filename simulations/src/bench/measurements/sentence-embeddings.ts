// Sentences through a MiniLM, one after the other on one thread: how long each takes, and the embeddings, as a file.

import { readFile, writeFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import * as ort from 'onnxruntime-node';
import { median } from '../statistics.ts';

export interface SentenceEmbeddingsOptions {
  readonly model: string;
  readonly tokenizer: string;
  /** A JSON list of texts. */
  readonly texts: string;
  /** Where the embeddings go: FP32, `dimensions` a text. */
  readonly out: string;
}

export interface SentenceEmbeddings {
  readonly dimensions: number;
  readonly p50Ms: number;
}

const warmUpTexts = 20;

export async function sentenceEmbeddings(
  options: SentenceEmbeddingsOptions,
): Promise<SentenceEmbeddings> {
  const texts: string[] = JSON.parse(await readFile(options.texts, 'utf8'));
  const tokenizer = new Tokenizer(JSON.parse(await readFile(options.tokenizer, 'utf8')), {});
  const session = await ort.InferenceSession.create(options.model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const embed = async (text: string) => {
    const ids: readonly number[] = tokenizer.encode(text).ids;
    const tensor = (value: (id: number) => number) =>
      new ort.Tensor(
        'int64',
        BigInt64Array.from(ids, (id) => BigInt(value(id))),
        [1, ids.length],
      );
    const feeds = {
      input_ids: tensor((id) => id),
      attention_mask: tensor(() => 1),
      token_type_ids: tensor(() => 0),
    };
    const startMs = performance.now();
    const ran = await session.run(feeds);
    const ms = performance.now() - startMs;
    return { ms, embedding: meanOf(ran['last_hidden_state'] as ort.Tensor) };
  };
  for (const text of texts.slice(0, warmUpTexts)) await embed(text);
  const embedded = [];
  for (const text of texts) embedded.push(await embed(text));
  const dimensions = embedded[0]?.embedding.length ?? 0;
  const all = new Float32Array(embedded.length * dimensions);
  for (const [i, { embedding }] of embedded.entries()) all.set(embedding, i * dimensions);
  await writeFile(options.out, new Uint8Array(all.buffer));
  return { dimensions, p50Ms: median(embedded.map(({ ms }) => ms)) };
}

/** The mean over the tokens, of length 1, as sentence-transformers pools. */
function meanOf({ data, dims }: ort.Tensor): Float32Array {
  const [, tokens = 0, dimensions = 0] = dims;
  const sum = new Float32Array(dimensions);
  for (let t = 0; t < tokens; t++)
    for (let d = 0; d < dimensions; d++)
      sum[d] = (sum[d] as number) + Number(data[t * dimensions + d]);
  const length = Math.hypot(...sum);
  return sum.map((value) => value / length);
}
