// What has happened to one model in the registry. Each event names the one before it by its sha256 and is signed by the
// coordinator (DSSE), so that nobody takes one out or puts one in without its showing.

import { digestSchema, nameSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { z } from 'zod';

export const modelEventPayloadType = 'application/vnd.skerry.model-event+json';

export const versionStates = ['active', 'archived', 'decommissioned'] as const;
export type VersionState = (typeof versionStates)[number];

export const aliasSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'expected a word such as champion: no digit or dot first');
export const reasonSchema = z.string().min(1).max(512);

const variantSchema = z.strictObject({
  name: nameSchema,
  digest: digestSchema,
  /** What a device fetches, and what the cloud holds beside it. */
  edgeBytes: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  metrics: z.record(z.string().max(64), z.number()),
});

/** What the manifest says of itself, for lists and comparisons; the manifest is the truth. */
export const descriptionSchema = z.strictObject({
  task: z.string().max(64),
  variants: z.array(variantSchema).min(1).max(64),
  metrics: z.record(z.string().max(64), z.number()),
  licence: z.string().max(1_024),
  summary: z.string().max(8_192),
  lineage: z.strictObject({
    recipe: z.string().max(8_192),
    seed: z.int(),
    data: z
      .array(z.strictObject({ name: z.string().max(512), sha256: digestSchema.optional() }))
      .max(256),
    /** Of the code that made it, and the training or federated run that did, as who published it says. */
    revision: z.string().max(128).optional(),
    run: z.string().max(128).optional(),
  }),
});
export type Description = z.infer<typeof descriptionSchema>;

const header = {
  atMs: z.int().nonnegative(),
  /** Who asked for it. */
  by: z.string().min(1).max(128),
  /** sha256 of the envelope before it; absent: it is the model's first. */
  previous: digestSchema.optional(),
};

export const modelEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...header,
    kind: z.literal('published'),
    version: z.string().max(64),
    manifest: blobRefSchema,
    description: descriptionSchema,
  }),
  z.strictObject({
    ...header,
    kind: z.literal('alias-moved'),
    alias: aliasSchema,
    /** Absent: the alias is gone. */
    version: z.string().max(64).optional(),
  }),
  z.strictObject({
    ...header,
    kind: z.literal('state-changed'),
    version: z.string().max(64),
    state: z.enum(versionStates),
    reason: reasonSchema,
  }),
]);
export type ModelEvent = z.infer<typeof modelEventSchema>;
