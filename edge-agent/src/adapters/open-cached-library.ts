// A library and what is remembered of it: answers in a file beside its collections, vectors in memory.

import type { Clock, Log, Random, Result } from '@skerry/shared';
import { ok } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { type AnswerCacheTerms, createAnswerCache } from '../retrieve/cache/answer-cache.ts';
import type { AnswerStore } from '../retrieve/cache/answer-store.ts';
import type { LibraryCaches } from '../retrieve/cache/caches.ts';
import { forgetCaches } from '../retrieve/cache/forget-caches.ts';
import { createPrecomputed } from '../retrieve/cache/precomputed.ts';
import {
  type Changes,
  createChanges,
  purgingCollections,
} from '../retrieve/cache/purging-collections.ts';
import { createVectorMemory } from '../retrieve/cache/remember-vectors.ts';
import type { Collections } from '../retrieve/collections.ts';
import { createLibrary, type Library, type LibraryPorts } from '../retrieve/library.ts';
import type { TextEmbedder } from '../retrieve/text-embedder.ts';
import { type CacheBounds, openCacheFile } from './sqlite-cache-file.ts';

export interface CachedLibraryTerms extends AnswerCacheTerms, CacheBounds {
  /** Of the answers' file; `:memory:`: nothing is written. */
  readonly path: string;
  readonly vectorsMax: number;
}

export interface CachedLibraryPorts
  extends Pick<
    LibraryPorts,
    | 'reranker'
    | 'rerankMs'
    | 'expandsWords'
    | 'verdictOn'
    | 'limits'
    | 'sourceShareMax'
    | 'chunking'
  > {
  readonly collections: Collections;
  /** Read at each call: one that is elsewhere is found later. */
  readonly embedder: () => TextEmbedder | undefined;
  /** As the library's. */
  readonly onMissing?: (() => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface CachedLibrary {
  /** Its collections purge what rests on them. */
  readonly library: Library;
  readonly caches: LibraryCaches;
  readonly store: AnswerStore;
  readonly changes: Changes;
  /** Not the collections. */
  close(): void;
}

/** Fails with `storage_failed`. */
export async function openCachedLibrary(
  terms: CachedLibraryTerms,
  ports: CachedLibraryPorts,
): Promise<Result<CachedLibrary>> {
  const { onMissing, clock, log, reranker, rerankMs, expandsWords } = ports;
  const { verdictOn, limits, sourceShareMax, chunking } = ports;
  const file = openCacheFile(terms.path, terms);
  if (!file.ok) return file;
  const { answers: store, counts, judged, close } = file.value;
  const digestOf = sha256;
  const vectors = createVectorMemory({ digestOf, entriesMax: terms.vectorsMax });
  const changes = createChanges(store);
  const collections = purgingCollections(ports.collections, changes);
  const library = createLibrary({
    ...{ collections, onMissing, digestOf, clock, log },
    ...{ reranker, rerankMs, expandsWords, verdictOn, limits, sourceShareMax, chunking },
    get embedder() {
      return ports.embedder();
    },
    get asked() {
      const embedder = ports.embedder();
      return embedder && vectors.remembering(embedder);
    },
  });
  const cachePorts = { ...ports, library, store, counts, judged, changes, digestOf };
  const answers = createAnswerCache(terms, cachePorts);
  await answers.sweep();
  const { nowMs } = clock;
  return ok({
    library,
    caches: {
      answers,
      vectors,
      precomputed: createPrecomputed({ collections, store, changes, digestOf, nowMs }),
      quoting: forgetCaches(changes, vectors),
    },
    store,
    changes,
    close,
  });
}
