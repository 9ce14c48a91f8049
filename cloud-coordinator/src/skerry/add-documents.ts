// Documents into a collection of an agent's library, one after the other: each is taken in, or refused with its reason.

import { readFile } from 'node:fs/promises';
import { err, type Failure, failure, messageOf, ok, type Result, sleep } from '@skerry/shared';
import { z } from 'zod';
import type { Call } from './command.ts';
import { type CoordinatorClient, failureOf, readAnswer } from './coordinator-client.ts';
import { type LocalDocument, readableEndings } from './gather-documents.ts';
import type { ProgressBar } from './progress-bar.ts';

export interface RefusedDocument {
  readonly path: string;
  readonly reason: string;
}

export interface AddedDocuments {
  readonly added: number;
  /** They were there already, as they are. */
  readonly unchanged: number;
  readonly passages: number;
  /** Of the passages those whose vectors had to be made. */
  readonly embedded: number;
  readonly refused: readonly RefusedDocument[];
}

const intakeSchema = z.object({
  passages: z.number(),
  embedded: z.number(),
  unchanged: z.boolean(),
});

/** A long manual is embedded passage by passage before the agent answers. */
const takenWithinMs = 1_800_000;
const triesMax = 5;
const retryMs = 1_000;

type Ports = Pick<Call<unknown>, 'clock' | 'signal'> & { readonly client: CoordinatorClient };

/** Fails where nobody answers; what has been taken in until then is there, and costs nothing when it is added again. */
export async function addDocuments(
  documents: readonly LocalDocument[],
  pathOf: (uri: string) => string,
  ports: Ports,
  bar: ProgressBar,
): Promise<Result<AddedDocuments>> {
  const total = documents.reduce((sum, { bytes }) => sum + bytes, 0);
  const tally = { added: 0, unchanged: 0, passages: 0, embedded: 0 };
  const refused: RefusedDocument[] = [];
  const names = new Set<string>();
  let done = 0;
  for (const document of documents) {
    if (ports.signal.aborted)
      return err(failure('unavailable', `ended after ${tally.added} documents`));
    bar.show(document.uri, done, total);
    const taken = names.has(document.uri)
      ? ok(err(failure('invalid_argument', `another file here is ${document.uri} too`)))
      : await addOne(document, pathOf(document.uri), ports);
    if (!taken.ok) return taken;
    names.add(document.uri);
    done += document.bytes;
    if (!taken.value.ok) {
      refused.push({ path: document.path, reason: taken.value.error.message });
      continue;
    }
    const { passages, embedded, unchanged } = taken.value.value;
    tally[unchanged ? 'unchanged' : 'added'] += 1;
    tally.passages += passages;
    tally.embedded += embedded;
  }
  return ok({ ...tally, refused });
}

/** What became of it; fails where nobody answers. */
async function addOne(
  { path, mediaType }: LocalDocument,
  at: string,
  { client, clock, signal }: Ports,
): Promise<Result<Result<z.output<typeof intakeSchema>, Failure>>> {
  if (mediaType === undefined)
    return ok(err(failure('invalid_argument', `no ${readableEndings.join(', ')}`)));
  const body = await readWhole(path);
  if (!body.ok) return ok(body);
  for (let tries = 1; ; tries++) {
    const response = await client.ask('PUT', at, {
      headers: { 'content-type': mediaType },
      body: body.value,
      withinMs: takenWithinMs,
      signal,
    });
    if (!response.ok) return response;
    if (response.value.ok) return ok(await readAnswer(client.url, response.value, intakeSchema));
    const failed = await failureOf(response.value);
    if (!failed.retryable || tries >= triesMax || signal.aborted) return ok(err(failed));
    await sleep(clock, retryMs * tries, signal);
  }
}

async function readWhole(path: string): Promise<Result<Uint8Array>> {
  try {
    return ok(await readFile(path));
  } catch (thrown) {
    return err(failure('not_found', messageOf(thrown)));
  }
}
