// What a device's twin says of collections: which the cloud wants it to hold (`desired`), and how far it is, or what of its
// own it offers (`reported`). A twin comes to every device there is, by whichever wire, so this is no message of its own. It
// is a wish and no more: what is taken is what was signed.

import { digestSchema, nameSchema } from '@skerry/shared';
import { z } from 'zod';
import { manifestBytesMax, principalSchema, readersMax } from './snapshot.ts';

/** The key in both halves of a twin. */
export const collectionsKey = 'collections';
/** In `reported`: a device's own, for whoever would publish them. */
export const offersKey = 'offers';
export const subscriptionsMax = 64;
/** As the coordinator packs a repository's. */
const metadataBytesMax = 8 * 1024 * 1024;

const countSchema = z.int().nonnegative();

/** In `desired.collections`, by collection. */
export const subscriptionSchema = z.strictObject({
  /** The newest that was signed when it was said. */
  sequence: z.int().positive(),
  target: z.string().min(1).max(256),
  /** Its manifest; a digest that stands here opens the blob to the device. [BLA6] */
  manifest: digestSchema,
  manifestBytes: z.int().positive().max(manifestBytesMax),
  /** As whom this device may have documents that are not for everybody. */
  readers: z.array(principalSchema).max(readersMax),
  /** The repository's metadata in one file, for who reaches no HTTP. */
  metadata: digestSchema.optional(),
  metadataBytes: z.int().positive().max(metadataBytesMax).optional(),
});
export type Subscription = z.infer<typeof subscriptionSchema>;

export const followStates = ['fetching', 'held', 'refused', 'waiting'] as const;

/** In `reported.collections`, by collection. What is null is not there: a merge patch knows no other way to say it. */
export const followReportSchema = z.object({
  state: z.enum(followStates),
  /** The snapshot that stands, and is answered from. */
  sequence: z.int().positive().nullable().default(null),
  root: digestSchema.nullable().default(null),
  documents: countSchema,
  /** What the last change has cost, and what it would have without what was here. */
  movedBytes: countSchema,
  savedBytes: countSchema,
  /** Passages that were embedded here, since their vectors were another embedder's. */
  embedded: countSchema,
  /** Why it is refused, or for what it waits. */
  reason: z.string().max(512).nullable().default(null),
  /** What became of the answers that came with it; null: none came. */
  answers: z.string().max(512).nullable().default(null),
});
export type FollowReport = z.infer<typeof followReportSchema>;

/** In `reported.offers`, by collection: a draft, as a blob that the device has put. */
export const offerSchema = z.object({
  draft: digestSchema,
  draftBytes: z.int().positive(),
  documents: countSchema,
  /** Of all blobs that the draft names. */
  bytes: countSchema,
});
export type Offer = z.infer<typeof offerSchema>;

export const offersSchema = z.record(nameSchema, offerSchema);
