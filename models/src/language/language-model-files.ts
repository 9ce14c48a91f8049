// A language model as files: its weights in GGUF, and language-model.json, which says what they are, by which digest, and
// what it costs to run them.

import { digestSchema, nameSchema } from '@skerry/shared';
import { z } from 'zod';

export const languageModelSchema = z.strictObject({
  schema: z.literal('skerry.language-model/1'),
  name: nameSchema,
  license: z.string().min(1).max(64),
  model: z.strictObject({
    path: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i, 'expected a file name'),
    sha256: digestSchema,
    bytes: z.int().positive(),
  }),
  /** Of question and answer together. */
  contextTokens: z.int().min(256).max(1_048_576),
  /** Of an answer, at most; the question has the rest. */
  answerTokensMax: z.int().min(16).max(65_536),
  /** What it takes while it is loaded, with its context: measured, since it depends on the runtime. */
  memoryBytes: z.int().positive(),
});
export type LanguageModel = z.infer<typeof languageModelSchema>;

export const languageModelFileName = 'language-model.json';
