// What has happened to one model in the registry. Each event names its model and the event before it, by sha256, and is
// signed by the coordinator (DSSE): one that is taken out, changed or put in between shows. That the last ones are gone
// shows to whoever has seen them.

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

/** Characters, and sets of data: a manifest may hold more. */
export const descriptionBounds = {
  licence: 1_024,
  summary: 8_192,
  recipe: 8_192,
  data: 256,
  dataName: 512,
} as const;

const variantSchema = z.strictObject({
  name: nameSchema,
  digest: digestSchema,
  /** What a device fetches, and what the cloud holds beside it. */
  edgeBytes: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  metrics: z.record(z.string(), z.number()),
});

/** What the manifest says of itself, for lists and comparisons; the manifest is the truth. */
export const descriptionSchema = z.strictObject({
  task: z.string().max(64),
  variants: z.array(variantSchema).min(1),
  metrics: z.record(z.string(), z.number()),
  licence: z.string().max(descriptionBounds.licence),
  summary: z.string().max(descriptionBounds.summary),
  lineage: z.strictObject({
    recipe: z.string().max(descriptionBounds.recipe),
    seed: z.int(),
    data: z
      .array(
        z.strictObject({
          name: z.string().max(descriptionBounds.dataName),
          sha256: digestSchema.optional(),
        }),
      )
      .max(descriptionBounds.data),
    /** Of the code that made it, and the training or federated run that did, as who published it says. */
    revision: z.string().max(128).optional(),
    run: z.string().max(128).optional(),
  }),
});
export type Description = z.infer<typeof descriptionSchema>;

const header = {
  /** Whose log it is of: a log that is moved to another model shows. */
  model: nameSchema,
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
