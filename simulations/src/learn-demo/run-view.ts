// What the API says of a learning run, as far as the demo is about it.

import { z } from 'zod';

const countSchema = z.int().nonnegative();
const viewSchema = z.object({
  phase: z.object({ kind: z.string(), reason: z.string().optional() }),
  round: countSchema,
  rounds: countSchema,
  reasons: z.array(z.string()),
  clients: z.record(z.string(), countSchema),
  candidate: z
    .object({
      version: z.string(),
      manifest: z.object({ digest: z.string() }),
      before: z.number(),
      after: z.number(),
      rollout: z.string().optional(),
    })
    .optional(),
  latest: z.array(
    z.object({
      round: countSchema,
      used: countSchema,
      attempts: countSchema,
      metrics: z.record(z.string(), z.number()),
    }),
  ),
});
export type RunView = z.infer<typeof viewSchema>;

/** Throws where it is none: then the API has changed. */
export const readRunView = (json: unknown): RunView => viewSchema.parse(json);
