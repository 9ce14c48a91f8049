// Collections on their way, composed: those of the cloud's that come here, and those of this device's that go up.

import type { Clock, Log, Result } from '@skerry/shared';
import type { DocumentView } from '@skerry/sync-protocol/documents';
import type { QuotingStore } from '../erase-document.ts';
import type { Library } from '../library.ts';
import { createFollowing, type Following, type FollowingPorts } from './follow-collections.ts';
import { type OfferBlobs, startOffers } from './offer-collections.ts';

/** Chosen by main.ts. */
export interface TravelAdapters extends Pick<FollowingPorts, 'trust'> {
  readonly blobs: FollowingPorts['blobs'] & OfferBlobs;
}

export interface Travelling extends Pick<Following, 'twinChanged'> {
  close(): Promise<void>;
}

/** @param offers collections whose documents may go up */
export function openTravelling(
  offers: readonly string[],
  adapters: TravelAdapters,
  ports: {
    readonly library: Library;
    readonly quoting: readonly QuotingStore[];
    /** Absent where nothing is remembered. */
    readonly answers: FollowingPorts['answers'];
    readonly onMissing: () => void;
    readonly twin: {
      read(): Promise<Result<DocumentView>>;
      patch(patch: unknown): Promise<Result<DocumentView>>;
    };
    readonly digestOf: (bytes: Uint8Array) => string;
    readonly clock: Clock;
    readonly log: Log;
  },
): Travelling {
  const following = createFollowing({ ...adapters, ...ports, nowMs: ports.clock.nowMs });
  const offering = startOffers(offers, { ...adapters, ...ports });
  following.wake();
  return {
    twinChanged: following.twinChanged,
    async close() {
      offering.close();
      await following.close();
    },
  };
}
