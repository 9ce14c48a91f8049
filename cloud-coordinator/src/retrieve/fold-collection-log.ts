// How the log of a collection stays bounded: who holds it and its newest snapshots stay, and those that are signed, however
// old. Blobs of the others have gone before.

import type { Folding } from '../event-log/folding.ts';
import {
  type CollectionEvent,
  type CollectionState,
  type PublishedSnapshot,
  snapshotsNamed,
} from './collection-event.ts';

/** That lie in one log before the oldest are folded. */
export const collectionEventsMax = 512;

/** @param isSigned by what is published: devices are told of it */
export const collectionFolding = (
  isSigned: (snapshot: PublishedSnapshot) => boolean,
): Folding<CollectionEvent, CollectionState> => ({
  eventsMax: collectionEventsMax,
  eventsKept: 128,
  foldedIn: (event) => (event.kind === 'folded' ? event.folded : undefined),
  make({ snapshots, subscriptions, hasEnded }, folded) {
    return {
      kind: 'folded',
      folded,
      snapshots: snapshots.filter(
        (snapshot, i) => i >= snapshots.length - snapshotsNamed || isSigned(snapshot),
      ),
      subscriptions: [...subscriptions].map(([id, order]) => ({ id, order })),
      hasEnded,
    };
  },
});
