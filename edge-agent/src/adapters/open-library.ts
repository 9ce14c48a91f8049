// The library as the configuration wants it: its folder, the engine of its vectors, and an embedder: from a folder of
// files, or the coordinator's.

import { join } from 'node:path';
import { executionProperties, type Runtime } from '@skerry/models';
import { openEmbedder } from '@skerry/models/embedding';
import { readEmbedder } from '@skerry/models/node';
import { type Clock, type Log, ok, type Random, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { AgentConfig } from '../config.ts';
import type { LibraryCaches } from '../retrieve/cache/caches.ts';
import { type DenseChecks, forgettingVerdicts, startDenseChecks } from '../retrieve/check-dense.ts';
import { intakeLimits } from '../retrieve/check-intake.ts';
import type { Collections } from '../retrieve/collections.ts';
import { startVectorFilling, type VectorFilling } from '../retrieve/fill-vectors.ts';
import { createLibrary, type Library } from '../retrieve/library.ts';
import type { TextEmbedder } from '../retrieve/text-embedder.ts';
import type { Fetch } from './coordinator-fetch.ts';
import { findElsewhere } from './find-elsewhere.ts';
import { type CachedLibraryTerms, openCachedLibrary } from './open-cached-library.ts';
import { type OpenedReranker, openReranker } from './open-reranker.ts';
import { createWorkerCollections } from './worker-collections.ts';

export interface OpenedLibrary {
  readonly library: Library;
  readonly caches: LibraryCaches;
  /** Where its vectors are made elsewhere: how that stands. */
  readonly filling: Pick<VectorFilling, 'state' | 'wake'> | undefined;
  close(): Promise<void>;
}

export interface OpenLibraryPorts {
  readonly createRuntime: () => Runtime;
  /** To the coordinator. */
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** As a value of `embedder`, in the place of a folder. */
const coordinators = 'coordinator';

/** Fails with `invalid_bundle`, or `digest_mismatch`, for an embedder that is not what it says. */
export async function openLibrary(
  config: AgentConfig,
  ports: OpenLibraryPorts,
): Promise<Result<OpenedLibrary>> {
  const { dataDir, libraryEngine: engine, libraryMemoryMiB } = config;
  const folder = config.embedder === coordinators ? undefined : config.embedder;
  const runtime = folder === undefined ? undefined : ports.createRuntime();
  const opened = runtime && folder !== undefined ? await openFrom(folder, runtime) : ok(undefined);
  if (!opened.ok) {
    await runtime?.close();
    return opened;
  }
  const here = opened.value;
  const provided = executionProperties(here === undefined ? [] : [here.execution()]);
  if (Object.keys(provided).length > 0)
    ports.log.info({ embedder: here?.name, ...provided }, 'embedder loaded');
  let checks: DenseChecks | undefined;
  const stored = createWorkerCollections({
    folder: join(dataDir, 'collections'),
    engine,
    memoryBytesMax: libraryMemoryMiB * 2 ** 20,
    embedder: here && { digest: here.digest, dimensions: here.dimensions },
  });
  const collections = forgettingVerdicts(stored, () => checks);
  const { clock, log } = ports;
  const second = await openSecondLook(config, ports);
  if (!second.ok) {
    await collections.close();
    await here?.close();
    await runtime?.close();
    return second;
  }
  let elsewhere: Elsewhere | undefined;
  const embedder = () => here ?? elsewhere?.current();
  const cached = await openCachedLibrary(cacheTermsOf(config), {
    ...ports,
    collections,
    embedder,
    onMissing: () => elsewhere?.filling.wake(),
    reranker: second.value?.reranker,
    rerankMs: config.libraryRerankMs,
    expandsWords: config.libraryExpansion === 'rm3',
    verdictOn: (name) => checks?.verdictOn(name),
    limits: {
      ...intakeLimits,
      lookAlikesMax: config.libraryLookAlikesMax,
      anomaly: config.libraryStrangers,
    },
    sourceShareMax: config.librarySourceShareMax,
    chunking: config.libraryChunking,
  });
  const found =
    cached.ok && here === undefined
      ? await openElsewhere(config, cached.value.library.collections, ports)
      : ok(undefined);
  const close = async (): Promise<void> => {
    await checks?.close();
    await second.value?.close();
    await elsewhere?.filling.close();
    await collections.close();
    if (cached.ok) cached.value.close();
    await here?.close();
    await runtime?.close();
  };
  if (!cached.ok || !found.ok) {
    await close();
    return cached.ok ? (found as Extract<typeof found, { ok: false }>) : cached;
  }
  elsewhere = found.value;
  const checked = createLibrary({
    ...{ collections, digestOf: sha256, clock, log },
    get embedder() {
      return embedder();
    },
  });
  checks = startDenseChecks(checked, collections, { clock, log });
  const { library, caches } = cached.value;
  return ok({ library, caches, filling: elsewhere?.filling, close });
}

const cacheTermsOf = (config: AgentConfig): CachedLibraryTerms => ({
  path: join(config.dataDir, 'caches.db'),
  entriesMax: config.questionCacheEntries,
  bytesMax: config.questionCacheBytes,
  vectorsMax: config.vectorCacheEntries,
  ttlMs: config.questionCacheMs,
  questionTexts: config.questionTexts === 'yes',
  semantic:
    config.semanticCache === 'off'
      ? undefined
      : {
          similarityMin: config.semanticSimilarityMin,
          judgedShare: config.semanticJudgedShare,
          wrongShareMax: config.semanticWrongMax,
        },
});

interface Elsewhere {
  readonly filling: VectorFilling;
  readonly current: () => TextEmbedder | undefined;
}

async function openElsewhere(
  config: AgentConfig,
  collections: Collections,
  { fetch, ...ports }: OpenLibraryPorts,
): Promise<Result<Elsewhere | undefined>> {
  const isAsked = config.embedder === coordinators;
  const found = await findElsewhere(config, isAsked, collections, { fetch, clock: ports.clock });
  if (!found.ok) return found;
  if (found.value === undefined) return ok(undefined);
  const elsewhere = found.value;
  const filling = startVectorFilling({ ...ports, elsewhere, collections, digestOf: sha256 });
  return ok({ filling, current: elsewhere.current });
}

/** On a runtime of its own: a second look must not wait for documents that are embedded. */
async function openSecondLook(
  { libraryReranker: folder }: AgentConfig,
  { createRuntime }: OpenLibraryPorts,
): Promise<Result<OpenedReranker | undefined>> {
  if (folder === undefined) return ok(undefined);
  const runtime = createRuntime();
  const opened = await openReranker(folder, runtime);
  if (!opened.ok) {
    await runtime.close();
    return opened;
  }
  const { reranker, close } = opened.value;
  return ok({
    reranker,
    async close() {
      await close();
      await runtime.close();
    },
  });
}

async function openFrom(folder: string, runtime: Runtime) {
  const files = await readEmbedder(folder);
  return files.ok ? openEmbedder(files.value, runtime, { threads: 1 }) : files;
}
