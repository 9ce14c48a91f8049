// An embedder that somebody serves in OpenAI's API: what is said of it beside its vectors, so that who asks knows whose
// they are, and can use them as those of an embedder at hand.

import { digestSchema } from '@skerry/shared';
import { z } from 'zod';
import { embedderDescriptionSchema } from './embedder-files.ts';

/** What a coordinator's embedder is asked as, beside its own name. */
export const servedEmbedderModel = 'embedder';

const { name, dimensions, tokensMax, answers } = embedderDescriptionSchema.shape;

/** The field `embedder` of a reply. */
export const servedEmbedderSchema = z.object({
  name,
  /** Of its embedder.json, and so of all that makes its vectors. */
  digest: digestSchema,
  dimensions,
  tokensMax,
  answers,
});
export type ServedEmbedder = z.output<typeof servedEmbedderSchema>;
