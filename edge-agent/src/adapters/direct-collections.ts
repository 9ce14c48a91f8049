// Collections on the thread that calls.

import type { Result } from '@skerry/shared';
import type { Collections } from '../retrieve/collections.ts';
import {
  type CollectionCalls,
  type CollectionHost,
  type CollectionHostOptions,
  createCollectionHost,
} from './collection-host.ts';
import { type CollectionCall, collectionsOver } from './collections-over.ts';

/** For tools and tests, where nobody else waits for the thread. */
export function createDirectCollections(
  options: CollectionHostOptions,
): Collections & Pick<CollectionHost, 'work'> {
  const host = createCollectionHost(options);
  const call: CollectionCall = async (method, ...args) =>
    (host[method] as (...given: typeof args) => Result<unknown>)(...args) as ReturnType<
      CollectionCalls[typeof method]
    >;
  return {
    ...collectionsOver(call),
    work: host.work,
    close: async () => void host.closeAll(),
  };
}
