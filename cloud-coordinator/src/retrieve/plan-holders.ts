// Which device holds which collections, and as whom. Pure.

import type { Subscription } from '@skerry/sync-protocol/collections';
import { type Selectable, type Selection, selects } from '../fleet/selection.ts';
import type { SubscriptionOrder } from './collection-event.ts';

/** What may be told of a collection: the newest snapshot that is signed. */
export interface OfferedCollection {
  readonly collection: string;
  readonly subscriptions: readonly SubscriptionOrder[];
  readonly newest: Omit<Subscription, 'readers'>;
}

/** @param certifiedSite of its certificate, where devices have one: what it says of its site itself grants nothing */
export function subscriptionsOf(
  device: Selectable,
  certifiedSite: string | undefined,
  offered: readonly OfferedCollection[],
): Readonly<Record<string, Subscription>> {
  const own = certifiedSite === undefined ? device : { ...device, site: certifiedSite };
  return Object.fromEntries(
    offered.flatMap(({ collection, subscriptions, newest }) => {
      const those = subscriptions.filter(({ selection }) => selects(selection, own));
      if (those.length === 0) return [];
      const readers = [...new Set(those.flatMap((each) => each.readers))].sort();
      return [[collection, { ...newest, readers }] as const];
    }),
  );
}

/** Whether a selection can be judged only by a certificate's site. */
export const asksForSite = ({ sites }: Selection): boolean => sites !== undefined;
