// What has happened to one collection at the coordinator: its log is all that is known of it.

import { digestSchema, nameSchema } from '@skerry/shared';
import { blobRefSchema } from '@skerry/sync-protocol/blobs';
import { principalSchema, readersMax } from '@skerry/sync-protocol/collections';
import { z } from 'zod';
import { foldedSchema } from '../event-log/folding.ts';
import { type Selection, selectionSchema } from '../fleet/selection.ts';

const header = { atMs: z.int().nonnegative(), by: z.string().min(1).max(128) };

export const subscriptionOrderSchema = z
  .strictObject({
    /** Who holds it. */
    selection: selectionSchema,
    /** As whom they have what is not for everybody. */
    readers: z.array(principalSchema).max(readersMax).default([]),
  })
  .refine(
    ({ selection, readers }) => readers.length === 0 || isNamed(selection),
    'readers are given to devices that are named by site or by name: labels are a device’s own words',
  );
export type SubscriptionOrder = z.infer<typeof subscriptionOrderSchema>;

/** By what a device cannot say of itself, where devices have certificates. */
const isNamed = ({ sites, devices }: Selection): boolean =>
  sites !== undefined || devices !== undefined;

export const publishedSnapshotSchema = z.strictObject({
  sequence: z.int().positive(),
  manifest: blobRefSchema,
  root: digestSchema,
  documents: z.int().nonnegative(),
  passages: z.int().nonnegative(),
  /** Of its documents' blobs, and of those that the snapshot before it has not. */
  bytes: z.int().nonnegative(),
  freshBytes: z.int().nonnegative(),
});
export type PublishedSnapshot = z.infer<typeof publishedSnapshotSchema>;

/** Of one collection, at once. */
export const subscriptionsMax = 256;
/** That a fold names, beside those that are signed. */
export const snapshotsNamed = 64;

export const collectionEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...header, kind: z.literal('published'), snapshot: publishedSnapshotSchema }),
  z.strictObject({
    ...header,
    kind: z.literal('subscribed'),
    id: nameSchema,
    order: subscriptionOrderSchema,
  }),
  z.strictObject({ ...header, kind: z.literal('unsubscribed'), id: nameSchema }),
  /** What all before it has come to. [TRV17] */
  z.strictObject({
    kind: z.literal('folded'),
    folded: foldedSchema,
    snapshots: z.array(publishedSnapshotSchema.extend(header)),
    subscriptions: z
      .array(z.strictObject({ id: nameSchema, order: subscriptionOrderSchema }))
      .max(subscriptionsMax),
    hasEnded: z.boolean(),
  }),
]);
export type CollectionEvent = z.infer<typeof collectionEventSchema>;

export interface CollectionState {
  /** By sequence, the newest last. */
  readonly snapshots: readonly (PublishedSnapshot & {
    readonly by: string;
    readonly atMs: number;
  })[];
  readonly subscriptions: ReadonlyMap<string, SubscriptionOrder>;
  /** Somebody held it once: what its twin says may be old. */
  readonly hasEnded: boolean;
}

export const noCollection: CollectionState = {
  snapshots: [],
  subscriptions: new Map(),
  hasEnded: false,
};

/** Pure. */
export function foldCollection(state: CollectionState, event: CollectionEvent): CollectionState {
  switch (event.kind) {
    case 'published': {
      const { snapshot, by, atMs } = event;
      return { ...state, snapshots: [...state.snapshots, { ...snapshot, by, atMs }] };
    }
    case 'subscribed': {
      // In the place of another by its name some may hold it no longer.
      const hasEnded = state.hasEnded || state.subscriptions.has(event.id);
      const subscriptions = new Map([...state.subscriptions, [event.id, event.order]]);
      return { ...state, subscriptions, hasEnded };
    }
    case 'unsubscribed': {
      const subscriptions = new Map(state.subscriptions);
      subscriptions.delete(event.id);
      return { ...state, subscriptions, hasEnded: true };
    }
    case 'folded': {
      const { snapshots, subscriptions, hasEnded } = event;
      const orders = subscriptions.map(({ id, order }) => [id, order] as const);
      return { snapshots, subscriptions: new Map(orders), hasEnded };
    }
  }
}
