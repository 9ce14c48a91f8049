// The configuration of upstreams: a list in the file, or its JSON in a flag.

import { nameSchema, orItsJson } from '@skerry/shared';
import { z } from 'zod';

import { embeddedTier } from './embedded-upstream.ts';

const urlSchema = z.url({ protocol: /^https?$/ });

/** What the server asks for, as a bearer token. */
const apiKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'expected printable characters without spaces')
  .optional();

const memberShape = {
  name: nameSchema,
  /** Our names of the models that it answers for, and its own for them; `"*": "*"` is all, by our names. */
  models: z.record(z.string().min(1), z.string().min(1)).default({ '*': '*' }),
  /** 0 is asked first; all before what this coordinator hosts itself. */
  tier: z
    .int()
    .min(0)
    .max(embeddedTier - 1)
    .default(0),
  weight: z.number().positive().max(1_000).default(1),
  /** Calls at once. */
  concurrentMax: z.int().min(1).max(10_000).default(64),
};

const upstreamSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(['open-inference', 'openai']),
    url: urlSchema,
    apiKey: apiKeySchema,
    ...memberShape,
  }),
  z.strictObject({
    kind: z.literal('precomputed'),
    file: z.string().min(1),
    ...memberShape,
    tier: z
      .int()
      .min(0)
      .max(100)
      .default(embeddedTier + 1),
  }),
]);

const listSchema = z.array(upstreamSchema).max(1_000);

export const upstreamsSchema = orItsJson(listSchema)
  .default([])
  .refine(
    (upstreams) => new Set(upstreams.map(({ name }) => name)).size === upstreams.length,
    'two upstreams share a name',
  );

export type UpstreamConfig = z.output<typeof upstreamSchema>;
