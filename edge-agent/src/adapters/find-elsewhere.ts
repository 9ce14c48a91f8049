// The coordinator's embedder, where the configuration names it; or where it names none, and what is here has vectors of
// one embedder: then the coordinator's is used if it is that one. Who it was is remembered in a file.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServedEmbedder, servedEmbedderSchema } from '@skerry/models/embedding';
import { createOpenAiServer } from '@skerry/models/node';
import { type Clock, err, failure, messageOf, ok, parseJson, type Result } from '@skerry/shared';
import { writeWholeFile } from '@skerry/shared/node';
import type { AgentConfig } from '../config.ts';
import type { Collections } from '../retrieve/collections.ts';
import { createEmbedderElsewhere, type EmbedderElsewhere } from '../retrieve/embedder-elsewhere.ts';
import type { Fetch } from './coordinator-fetch.ts';

const fileName = 'coordinator-embedder.json';

/** Undefined where nobody wants it. Fails with `invalid_config` where it is named and there is no address to ask at. */
export async function findElsewhere(
  { dataDir, device, coordinatorUrl }: AgentConfig,
  isAsked: boolean,
  collections: Collections,
  { fetch, clock }: { readonly fetch: Fetch; readonly clock: Clock },
): Promise<Result<EmbedderElsewhere | undefined>> {
  if (coordinatorUrl === undefined)
    return isAsked
      ? err(failure('invalid_config', 'the coordinator’s embedder needs --coordinator-url'))
      : ok(undefined);
  const wanted = isAsked ? undefined : await digestOfAll(collections);
  if (!isAsked && wanted === undefined) return ok(undefined);
  const path = join(dataDir, fileName);
  const file = readServed(path);
  const remembered = wanted === undefined || file?.digest === wanted ? file : undefined;
  if (remembered !== undefined) await collections.embedBy(remembered);
  return ok(
    createEmbedderElsewhere({
      server: createOpenAiServer('coordinator', coordinatorUrl, {
        fetch,
        headers: { 'skerry-device': device },
      }),
      remembered,
      wanted,
      async onKnown(served) {
        try {
          writeWholeFile(path, JSON.stringify(served));
        } catch (thrown) {
          return err(failure('storage_failed', `${path}: ${messageOf(thrown)}`));
        }
        return collections.embedBy(served);
      },
      clock,
    }),
  );
}

/** The one embedder whose vectors are here; undefined where there are none, or of several. */
async function digestOfAll(collections: Collections): Promise<string | undefined> {
  const names = await collections.list();
  const digests = new Set<string>();
  for (const name of names.ok ? names.value : []) {
    const thread = await collections.open(name);
    const stats = thread.ok ? await thread.value.stats() : thread;
    if (stats.ok && stats.value.embedder !== null) digests.add(stats.value.embedder);
  }
  const [digest] = digests;
  return digests.size === 1 ? digest : undefined;
}

/** Undefined where there is none, or none that can be read: then it is asked anew. */
function readServed(path: string): ServedEmbedder | undefined {
  try {
    const json = parseJson(readFileSync(path), path);
    const read = json.ok ? servedEmbedderSchema.safeParse(json.value) : undefined;
    return read?.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}
