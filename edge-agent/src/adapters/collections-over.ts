// Collections over whatever carries a call to their host: a thread, or nothing.

import { ok } from '@skerry/shared';
import type { Collections, CollectionThread } from '../retrieve/collections.ts';
import type { CollectionCalls } from './collection-host.ts';

export type CollectionCall = <M extends keyof CollectionCalls>(
  method: M,
  ...args: Parameters<CollectionCalls[M]>
) => Promise<ReturnType<CollectionCalls[M]>>;

export function collectionsOver(call: CollectionCall): Omit<Collections, 'close'> {
  const threadOf = (name: string, engine: string | undefined): CollectionThread => ({
    name,
    engine,
    put: (...args) => call('put', name, ...args),
    find: (uri) => call('find', name, uri),
    list: (filter) => call('list', name, filter),
    vectorsBy: (digests) => call('vectorsBy', name, digests),
    missingVectors: (after, count) => call('missingVectors', name, after, count),
    countMissing: () => call('countMissing', name),
    putVectors: (vectors) => call('putVectors', name, vectors),
    compareIntake: (candidate) => call('compareIntake', name, candidate),
    digestsOf: (uri) => call('digestsOf', name, uri),
    remove: (uri) => call('remove', name, uri),
    restore: (uri, version) => call('restore', name, uri, version),
    search: (request) => call('search', name, request),
    countWords: (...args) => call('countWords', name, ...args),
    passages: (...args) => call('passages', name, ...args),
    textAt: (...args) => call('textAt', name, ...args),
    stats: (filter) => call('stats', name, filter),
    questions: (count) => call('questions', name, count),
    snapshot: () => call('snapshot', name),
    pages: () => call('pages', name),
    whole: (uri) => call('whole', name, uri),
    stage: (...args) => call('stage', name, ...args),
    staged: () => call('staged', name),
    commit: (change) => call('commit', name, change),
    revision: () => call('revision', name),
  });
  return {
    async open(name) {
      const engine = await call('engine', name);
      return engine.ok ? ok(threadOf(name, engine.value)) : engine;
    },
    async openOrCreate(name) {
      const engine = await call('create', name);
      return engine.ok ? ok(threadOf(name, engine.value)) : engine;
    },
    list: () => call('names'),
    embedBy: (embedder) => call('embedBy', embedder),
    remove: (name) => call('removeAll', name),
  };
}
