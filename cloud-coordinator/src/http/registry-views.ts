// The registry's answers, for whoever reads them: the API's description and `skerry`.

import { digestSchema, nameSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { z } from 'zod';
import { descriptionSchema, modelEventSchema, versionStates } from '../update/registry/index.ts';

export const publishedSchema = z.object({
  model: nameSchema,
  version: z.string(),
  manifest: blobRefSchema,
});

export const lackingSchema = z.object({
  lacking: z.array(blobRefSchema).describe('files to be sent before it can be published'),
});

export const modelsSchema = z.object({ models: z.array(nameSchema) });

export const versionViewSchema = z.object({
  version: z.string(),
  bundle: digestSchema.describe('sha256 of its manifest.json, which names the bundle'),
  manifestBytes: z.int(),
  description: descriptionSchema,
  publishedMs: z.int(),
  by: z.string(),
  state: z.enum(versionStates),
});
export type VersionView = z.infer<typeof versionViewSchema>;

export const modelViewSchema = z.object({
  versions: z.array(versionViewSchema),
  aliases: z.record(z.string(), z.string()),
});

export const historySchema = z.object({ events: z.array(modelEventSchema) });

const changeSchema = z.object({ from: z.string(), to: z.string() });
export const comparisonSchema = z.object({
  from: z.string(),
  to: z.string(),
  metrics: z.array(
    z.object({
      of: z.string().describe('card, or a variant’s name'),
      metric: z.string(),
      from: z.number().optional(),
      to: z.number().optional(),
    }),
  ),
  variants: z.object({
    added: z.array(z.string()),
    removed: z.array(z.string()),
    same: z.array(z.string()).describe('whose bytes are the same'),
  }),
  data: z.object({ added: z.array(z.string()), removed: z.array(z.string()) }),
  licence: changeSchema.optional(),
  recipe: changeSchema.optional(),
});

export const aliasViewSchema = z.object({
  model: nameSchema,
  alias: z.string(),
  version: z.string().nullable(),
});

export const stateViewSchema = z.object({
  model: nameSchema,
  version: z.string(),
  state: z.enum(versionStates),
});
