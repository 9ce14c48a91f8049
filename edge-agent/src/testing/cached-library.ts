// A library with its caches, in memory or in a folder, and an embedder without weights.

import { join } from 'node:path';
import { createRandom, type Log, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { createVirtualClock, unwrap } from '@skerry/shared/testing';
import { createDirectCollections } from '../adapters/direct-collections.ts';
import { type CachedLibraryTerms, openCachedLibrary } from '../adapters/open-cached-library.ts';
import type { SourceDocument } from '../retrieve/passage.ts';
import type { Reranker } from '../retrieve/rerank.ts';
import { createWordEmbedder } from './word-embedder.ts';

export interface CachedLibraryOptions
  extends Partial<Pick<CachedLibraryTerms, 'entriesMax' | 'ttlMs' | 'semantic' | 'questionTexts'>> {
  readonly reranker?: Reranker;
  readonly expandsWords?: boolean;
  /** In memory, where none is named. */
  readonly folder?: string;
  readonly log?: Log;
}

export async function openTestLibrary(options: CachedLibraryOptions = {}) {
  const { folder, entriesMax = 100, log = silentLog, ttlMs = 60_000, semantic } = options;
  const { questionTexts = false, reranker, expandsWords = false } = options;
  const clock = createVirtualClock();
  const embedder = createWordEmbedder();
  const stored = createDirectCollections({
    folder: folder === undefined ? ':memory:' : join(folder, 'collections'),
    embedder,
  });
  const path = folder === undefined ? ':memory:' : join(folder, 'caches.db');
  const bounds = { entriesMax, bytesMax: 1_000_000, vectorsMax: 100 };
  const cached = unwrap(
    await openCachedLibrary(
      { path, ...bounds, ttlMs, semantic, questionTexts },
      {
        ...{ collections: stored, embedder: () => embedder, reranker, expandsWords },
        ...{ clock, random: createRandom(1), log },
      },
    ),
  );
  const { library, caches, store, changes } = cached;
  return {
    ...{ clock, embedder, library, store, changes, stored },
    ...{ collections: library.collections, cache: caches.answers, ...caches },
    async add(uri: string, text: string, more: Partial<SourceDocument> = {}, name = 'manuals') {
      const digest = sha256(new TextEncoder().encode(text));
      const document = { uri, title: uri, text, digest, trust: 1, ...more };
      return unwrap(await library.add(name, document));
    },
    async close() {
      await stored.close();
      cached.close();
    },
  };
}
