// The library as the configuration wants it: its folder, the engine of its vectors, and an embedder from a folder of files.

import { join } from 'node:path';
import type { Runtime } from '@skerry/models';
import { openEmbedder } from '@skerry/models/embedding';
import { readEmbedder } from '@skerry/models/node';
import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { AgentConfig } from '../config.ts';
import { createLibrary, type Library } from '../retrieve/library.ts';
import { createWorkerCollections } from './worker-collections.ts';

export interface OpenedLibrary {
  readonly library: Library;
  close(): Promise<void>;
}

/** Fails with `invalid_bundle`, or `digest_mismatch`, for an embedder that is not what it says. */
export async function openLibrary(
  { dataDir, embedder: folder, libraryEngine }: AgentConfig,
  ports: { readonly createRuntime: () => Runtime; readonly clock: Clock; readonly log: Log },
): Promise<Result<OpenedLibrary>> {
  const { clock, log } = ports;
  const runtime = folder === undefined ? undefined : ports.createRuntime();
  const opened = runtime && folder !== undefined ? await openFrom(folder, runtime) : ok(undefined);
  if (!opened.ok) {
    await runtime?.close();
    return opened;
  }
  const embedder = opened.value;
  const collections = createWorkerCollections({
    folder: join(dataDir, 'collections'),
    engine: libraryEngine,
    embedder: embedder && { digest: embedder.digest, dimensions: embedder.dimensions },
  });
  return ok({
    library: createLibrary({ collections, embedder, digestOf: sha256, clock, log }),
    async close() {
      await collections.close();
      await embedder?.close();
      await runtime?.close();
    },
  });
}

async function openFrom(folder: string, runtime: Runtime) {
  const files = await readEmbedder(folder);
  return files.ok ? openEmbedder(files.value, runtime, { threads: 1 }) : files;
}
