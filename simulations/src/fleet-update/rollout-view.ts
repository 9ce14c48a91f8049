// What the API says of a rollout, as far as the story is about it.

import { z } from 'zod';

const countSchema = z.int().nonnegative();
const evidenceSchema = z.object({
  sign: z.string(),
  finding: z.string(),
  trials: z.number(),
  devices: countSchema,
  candidate: z.number().optional(),
  incumbent: z.number().optional(),
});
const verdictSchema = z.object({
  verdict: z.enum(['promote', 'hold', 'pause', 'rollback']),
  reasons: z.array(z.string()),
  evidence: z.array(evidenceSchema),
});
const viewSchema = z.object({
  bundle: z.string(),
  phase: z.object({ kind: z.string(), wave: countSchema, reason: z.string().optional() }),
  reasons: z.array(z.string()),
  waves: z.array(
    z.object({
      devices: z.object({
        members: countSchema,
        waiting: countSchema,
        underWay: countSchema,
        succeeded: countSchema,
        failed: countSchema,
        refused: countSchema,
        unreachable: countSchema,
        exempt: countSchema,
      }),
    }),
  ),
  gate: verdictSchema.optional(),
  verdict: verdictSchema.extend({ wave: countSchema, atMs: countSchema }).optional(),
  timeToSafe: z
    .object({ turned: countSchema, p50Ms: z.number(), lastMs: z.number(), owed: countSchema })
    .optional(),
});
export type RolloutView = z.infer<typeof viewSchema>;
export type ShownVerdict = z.infer<typeof verdictSchema>;

/** Throws where it is none: then the API has changed. */
export const readView = (json: unknown): RolloutView => viewSchema.parse(json);
