// An embedder as files: a network, its tokenizer, and embedder.json, which says what they are and holds their digests.

import { digestSchema, nameSchema } from '@skerry/shared';
import { z } from 'zod';

export const embedderFileSchema = z.strictObject({
  path: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i, 'expected a file name'),
  sha256: digestSchema,
});

export const embedderDescriptionSchema = z.strictObject({
  schema: z.literal('skerry.embedder/1'),
  name: nameSchema,
  license: z.string().min(1).max(64),
  model: embedderFileSchema,
  tokenizer: embedderFileSchema,
  dimensions: z.int().min(8).max(4_096),
  /** What its network takes, the model's own two included. */
  tokensMax: z.int().min(8).max(8_192),
  /**
   * How sure a library may be of an answer that it found by these vectors: cosines lie elsewhere for every embedder. A
   * logistic regression over the cosines of the question with the best sentence and the best passage, and the share of the
   * question's words that were found.
   */
  answers: z
    .strictObject({
      sentence: z.number(),
      passage: z.number(),
      coverage: z.number(),
      bias: z.number(),
      /** Below it the library does not know. */
      threshold: z.number().gt(0).lt(1),
      /** Below it the answer is given, and somebody else is asked all the same. */
      sure: z.number().gt(0).max(1),
    })
    .optional(),
});
export type EmbedderDescription = z.infer<typeof embedderDescriptionSchema>;

export interface EmbedderFiles {
  readonly description: EmbedderDescription;
  /** Of embedder.json, and so of all. */
  readonly digest: string;
  readonly model: Uint8Array;
  readonly tokenizer: Uint8Array;
}

export const descriptionName = 'embedder.json';

/** A network that reads question and text together, in the same form. */
export const crossEncoderDescriptionSchema = z.strictObject({
  schema: z.literal('skerry.cross-encoder/1'),
  name: nameSchema,
  license: z.string().min(1).max(64),
  model: embedderFileSchema,
  tokenizer: embedderFileSchema,
  tokensMax: z.int().min(8).max(8_192),
});

export interface CrossEncoderFiles extends Pick<EmbedderFiles, 'digest' | 'model' | 'tokenizer'> {
  readonly description: z.infer<typeof crossEncoderDescriptionSchema>;
}

export const crossEncoderName = 'cross-encoder.json';
