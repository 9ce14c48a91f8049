// The library as the configuration wants it: its folder, the engine of its vectors, and an embedder: from a folder of
// files, or the coordinator's.

import { join } from 'node:path';
import type { Runtime } from '@skerry/models';
import { openEmbedder } from '@skerry/models/embedding';
import { readEmbedder } from '@skerry/models/node';
import { type Clock, type Log, ok, type Random, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { AgentConfig } from '../config.ts';
import { startDenseChecks } from '../retrieve/check-dense.ts';
import { intakeLimits } from '../retrieve/check-intake.ts';
import type { Collections } from '../retrieve/collections.ts';
import { startVectorFilling, type VectorFilling } from '../retrieve/fill-vectors.ts';
import { createLibrary, type Library } from '../retrieve/library.ts';
import type { TextEmbedder } from '../retrieve/text-embedder.ts';
import type { Fetch } from './coordinator-fetch.ts';
import { findElsewhere } from './find-elsewhere.ts';
import { type OpenedReranker, openReranker } from './open-reranker.ts';
import { createWorkerCollections } from './worker-collections.ts';

export interface OpenedLibrary {
  readonly library: Library;
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
  const collections = createWorkerCollections({
    folder: join(dataDir, 'collections'),
    engine,
    memoryBytesMax: libraryMemoryMiB * 2 ** 20,
    embedder: here && { digest: here.digest, dimensions: here.dimensions },
  });
  const elsewhere =
    here === undefined ? await openElsewhere(config, collections, ports) : ok(undefined);
  if (!elsewhere.ok) {
    await collections.close();
    return elsewhere;
  }
  const filling = elsewhere.value?.filling;
  const { clock, log } = ports;
  const second = await openSecondLook(config, ports);
  if (!second.ok) {
    await filling?.close();
    await collections.close();
    return second;
  }
  const libraryPorts = {
    collections,
    get embedder() {
      return here ?? elsewhere.value?.current();
    },
    onMissing: filling?.wake,
    digestOf: sha256,
    clock,
    log,
  };
  const checks = startDenseChecks(createLibrary(libraryPorts), collections, { clock, log });
  return ok({
    library: createLibrary({
      ...libraryPorts,
      // Not the value that it has now.
      get embedder() {
        return libraryPorts.embedder;
      },
      reranker: second.value?.reranker,
      rerankMs: config.libraryRerankMs,
      verdictOn: checks.verdictOn,
      limits: {
        ...intakeLimits,
        lookAlikesMax: config.libraryLookAlikesMax,
        anomaly: config.libraryStrangers,
      },
      sourceShareMax: config.librarySourceShareMax,
    }),
    filling,
    async close() {
      await checks.close();
      await second.value?.close();
      await filling?.close();
      await collections.close();
      await here?.close();
      await runtime?.close();
    },
  });
}

async function openElsewhere(
  config: AgentConfig,
  collections: Collections,
  { fetch, ...ports }: OpenLibraryPorts,
): Promise<
  Result<
    | { readonly filling: VectorFilling; readonly current: () => TextEmbedder | undefined }
    | undefined
  >
> {
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
