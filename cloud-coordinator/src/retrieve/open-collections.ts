// Collections, composed: the logs and blobs, and a clockwork that tells devices what they shall hold.

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import type { DeviceBlobStore } from '@skerry/sync-protocol/blobs';
import {
  collectionsKey,
  type FollowReport,
  followReportSchema,
  type Offer,
  offersKey,
  offersSchema,
} from '@skerry/sync-protocol/collections';
import { twinOf } from '@skerry/sync-protocol/documents';
import { startClockwork } from '../event-log/clockwork.ts';
import { type Collections, type CollectionsPorts, createCollections } from './collections.ts';
import { readOffer } from './read-offer.ts';
import { createHolders, type Holders, type TellHoldersPorts } from './tell-holders.ts';

/** Chosen by main.ts. */
export type CollectionAdapters = Pick<
  CollectionsPorts,
  'logs' | 'blobs' | 'references' | 'repository'
> &
  Pick<TellHoldersPorts, 'metadata'> & {
    /** As one device sees them. */
    readonly blobsOf: (device: string) => Pick<DeviceBlobStore, 'holding' | 'read'>;
  };

export interface HolderView {
  readonly device: string;
  /** What it was told to hold; absent: the twin alone speaks of it. */
  readonly wanted: number;
  /** What it says; absent: nothing yet. */
  readonly report?: FollowReport;
}

export interface OpenedCollections {
  readonly collections: Omit<Collections, 'offered' | 'hasEnded'>;
  readonly audiencesOf: Holders['audiencesOf'];
  /** Devices that shall hold it, so many, and what each says. */
  holders(collection: string, count: number): Promise<Result<readonly HolderView[]>>;
  /** What a device offers of its own. */
  offer(collection: string, device: string): Promise<Result<Offer>>;
  /** Publishes it as it is now. */
  publishOffer(collection: string, device: string, by: string): ReturnType<Collections['publish']>;
  close(): Promise<void>;
}

export async function openCollections(
  adapters: CollectionAdapters,
  fleet: Pick<TellHoldersPorts, 'devices' | 'documents' | 'siteOf'> & {
    readonly clock: Clock;
    readonly log: Log;
  },
  turnEveryMs: number,
): Promise<Result<OpenedCollections>> {
  const collections = createCollections({ ...adapters, ...fleet });
  const holders = createHolders({ ...adapters, ...fleet, collections });
  const clockwork = startClockwork('collections', holders.turn, turnEveryMs, fleet);
  // Before anybody asks for a blob. What cannot be told now is told in another turn.
  const turned = await clockwork.turn();
  if (!turned.ok) fleet.log.error({ code: turned.error.code }, turned.error.message);
  const reported = async (device: string): Promise<Result<Readonly<Record<string, unknown>>>> => {
    const view = await fleet.documents.read(twinOf(device));
    return view.ok ? ok((view.value.value['reported'] ?? {}) as Record<string, unknown>) : view;
  };
  const offer = async (collection: string, device: string): Promise<Result<Offer>> => {
    const said = await reported(device);
    if (!said.ok) return said;
    const offers = offersSchema.safeParse(said.value[offersKey] ?? {}).data ?? {};
    const found = offers[collection];
    return found === undefined
      ? err(failure('not_found', `${device} offers no collection ${collection}`))
      : ok(found);
  };
  return ok({
    collections,
    audiencesOf: holders.audiencesOf,
    async holders(collection, count) {
      const views: HolderView[] = [];
      for (const device of holders.of(collection).slice(0, count)) {
        const said = await reported(device);
        if (!said.ok) return said;
        const all = said.value[collectionsKey] as Record<string, unknown> | undefined;
        const report = followReportSchema.safeParse(all?.[collection]);
        const wanted = holders.heldBy(device)[collection]?.sequence ?? 0;
        views.push({ device, wanted, ...(report.success ? { report: report.data } : {}) });
      }
      return ok(views);
    },
    offer,
    async publishOffer(collection, device, by) {
      const offered = await offer(collection, device);
      if (!offered.ok) return offered;
      const draft = await readOffer(adapters.blobsOf(device), collection, offered.value);
      return draft.ok ? collections.publish(draft.value, by) : draft;
    },
    close: clockwork.close,
  });
}
