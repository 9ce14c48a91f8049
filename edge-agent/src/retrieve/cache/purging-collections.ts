// Collections whose changes purge what rests on them, in the same call: whoever changes one need not know what is kept.

import { ok, type Result } from '@skerry/shared';
import type { Collections, CollectionThread } from '../collections.ts';
import type { AnswerStore, Changed } from './answer-store.ts';

export interface Changes {
  /** As the store's; what is being answered from any of the collection now is not kept. */
  purge(changed: Changed): Result<number>;
  /** Rises with each change of any of these: what was begun at another number may be out of date. */
  seen(collections: readonly string[]): number;
}

export function createChanges(store: Pick<AnswerStore, 'purge'>): Changes {
  const counts = new Map<string, number>();
  return {
    purge(changed) {
      counts.set(changed.collection, (counts.get(changed.collection) ?? 0) + 1);
      return store.purge(changed);
    },
    seen: (collections) =>
      collections.reduce((sum, collection) => sum + (counts.get(collection) ?? 0), 0),
  };
}

export function purgingCollections(
  collections: Collections,
  { purge }: Pick<Changes, 'purge'>,
): Collections {
  const changing = async <T>(
    changed: Changed,
    change: () => Promise<Result<T>>,
  ): Promise<Result<T>> => {
    // Before, so that a crash leaves nothing that rests on what has gone; and after, for what was kept meanwhile.
    const before = purge(changed);
    if (!before.ok) return before;
    const done = await change();
    const after = purge(changed);
    return done.ok && !after.ok ? after : done;
  };
  const purging = (thread: CollectionThread): CollectionThread => ({
    ...thread,
    put: (document, nowMs) =>
      changing({ collection: thread.name, uri: document.source.uri }, () =>
        thread.put(document, nowMs),
      ),
    // No document has an empty name: it changes what is found, and no document.
    putVectors: (vectors) =>
      changing({ collection: thread.name, uri: '' }, () => thread.putVectors(vectors)),
    commit: (change) => changing({ collection: thread.name }, () => thread.commit(change)),
    remove: (uri) => changing({ collection: thread.name, uri }, () => thread.remove(uri)),
    restore: (uri, version) =>
      changing({ collection: thread.name, uri }, () => thread.restore(uri, version)),
  });
  const opening = async (opened: Promise<Result<CollectionThread>>) => {
    const thread = await opened;
    return thread.ok ? ok(purging(thread.value)) : thread;
  };
  return {
    ...collections,
    open: (name) => opening(collections.open(name)),
    openOrCreate: (name) => opening(collections.openOrCreate(name)),
    remove: (collection) => changing({ collection }, () => collections.remove(collection)),
  };
}
