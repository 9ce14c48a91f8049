// What the routes of collections answer, for whoever reads them: the API's description and `skerry`.

import { nameSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { followReportSchema } from '@skerry/sync-protocol/collections';
import { z } from 'zod';
import { publishedSnapshotSchema, subscriptionOrderSchema } from '../retrieve/collection-event.ts';

export const collectionListSchema = z.object({ collections: z.array(nameSchema) });

export const snapshotPublishedSchema = z.object({
  collection: nameSchema,
  target: z.string().describe('its path among the signed targets'),
  snapshot: publishedSnapshotSchema,
  unchanged: z.boolean().describe('it holds what the last one does, and is that one'),
});

export const documentsLackingSchema = z.object({
  lacking: z.array(blobRefSchema).describe('blobs to be sent before it can be published'),
});

export const collectionViewSchema = z.object({
  collection: nameSchema,
  snapshots: z
    .array(publishedSnapshotSchema.extend({ by: z.string(), atMs: z.int() }))
    .describe('the newest last'),
  subscriptions: z.record(z.string(), subscriptionOrderSchema),
  holders: z
    .array(
      z.object({
        device: nameSchema,
        wanted: z.int().describe('the sequence that it was told to hold'),
        report: followReportSchema.optional().describe('how far it says that it is'),
      }),
    )
    .describe('the first of the devices that shall hold it'),
});

export const subscriptionViewSchema = z.object({
  collection: nameSchema,
  id: nameSchema,
  state: z.enum(['subscribed', 'unsubscribed']),
});
