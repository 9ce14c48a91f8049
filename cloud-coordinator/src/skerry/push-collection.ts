// A collection of an agent's into the coordinator: its draft is shown, the documents that lack are carried over, and the
// draft again. What an agent says is checked against what it named before it is sent on.

import { err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { type SnapshotDraft, snapshotDraftSchema } from '@skerry/sync-protocol/collections';
import { z } from 'zod';
import { documentsLackingSchema, snapshotPublishedSchema } from '../http/collection-views.ts';
import { type CoordinatorClient, failureOf, offer } from './coordinator-client.ts';
import type { ProgressBar } from './progress-bar.ts';

export type PushedCollection = z.infer<typeof snapshotPublishedSchema> & {
  /** What had to be sent. */
  readonly sentDocuments: number;
  readonly sentBytes: number;
};

/** What changes at the agent meanwhile, or is evicted at the coordinator, makes another. */
const roundsMax = 3;
const sendsAtOnce = 4;
/** Of a large collection, all of which is read and hashed. */
const exportWithinMs = 600_000;

interface PushPorts {
  readonly agent: CoordinatorClient;
  readonly coordinator: CoordinatorClient;
  /** Made before, to come with it. */
  readonly answers?: Uint8Array | undefined;
}

export async function pushCollection(
  name: string,
  by: string,
  ports: PushPorts,
  bar: ProgressBar,
): Promise<Result<PushedCollection>> {
  const sent = new Map<string, number>();
  for (let round = 0; round < roundsMax; round++) {
    const own = await readDraft(name, ports.agent);
    if (!own.ok) return own;
    const draft = withAnswers(own.value, ports.answers);
    const shown = await showDraft(draft, by, ports.coordinator);
    if (!shown.ok) return shown;
    if ('snapshot' in shown.value) {
      const sentBytes = [...sent.values()].reduce((sum, bytes) => sum + bytes, 0);
      return ok({ ...shown.value, sentDocuments: sent.size, sentBytes });
    }
    const carried = await carry(name, draft, shown.value.lacking, ports, bar);
    if (!carried.ok) return carried;
    for (const { digest, bytes } of shown.value.lacking) sent.set(digest, bytes);
  }
  return err(
    failure('unavailable', 'the coordinator still lacks documents: do they change meanwhile?'),
  );
}

/** What a device has sent up already. */
export async function publishOffer(
  name: string,
  device: string,
  by: string,
  coordinator: CoordinatorClient,
): Promise<Result<PushedCollection>> {
  const query = new URLSearchParams({ by });
  const path = `/v1/collections/${encodeURIComponent(name)}/offers/${encodeURIComponent(device)}?${query}`;
  const published = await coordinator.send(
    'POST',
    path,
    {},
    snapshotPublishedSchema,
    exportWithinMs,
  );
  return published.ok ? ok({ ...published.value, sentDocuments: 0, sentBytes: 0 }) : published;
}

const withAnswers = (draft: SnapshotDraft, answers: Uint8Array | undefined): SnapshotDraft =>
  answers === undefined
    ? draft
    : { ...draft, answers: { digest: sha256(answers), bytes: answers.length } };

async function readDraft(name: string, agent: CoordinatorClient): Promise<Result<SnapshotDraft>> {
  const path = `/v1/collections/${encodeURIComponent(name)}/snapshot`;
  const response = await agent.ask('GET', path, { withinMs: exportWithinMs });
  if (!response.ok) return response;
  if (!response.value.ok) return err(await failureOf(response.value));
  const draft = snapshotDraftSchema.safeParse(await response.value.json().catch(() => undefined));
  return draft.success
    ? ok(draft.data)
    : err(failure('unsupported_version', `${agent.url} exports no collection that we know`));
}

function showDraft(draft: SnapshotDraft, by: string, coordinator: CoordinatorClient) {
  const path = `/v1/collections/${draft.collection}/snapshots?${new URLSearchParams({ by })}`;
  const schema = z.union([snapshotPublishedSchema, documentsLackingSchema]);
  return offer(coordinator, path, JSON.stringify(draft), schema, {
    withinMs: exportWithinMs,
    stranger: 'no coordinator that knows collections answers there',
  });
}

async function carry(
  name: string,
  { documents }: SnapshotDraft,
  lacking: readonly BlobRef[],
  ports: PushPorts,
  bar: ProgressBar,
): Promise<Result<void>> {
  const uris = new Map(documents.map(({ uri, blob }) => [blob.digest, uri]));
  const total = lacking.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  let next = 0;
  let failed: Result<void> = ok(undefined);
  const work = async (): Promise<void> => {
    for (let i = next++; i < lacking.length && failed.ok; i = next++) {
      const ref = lacking[i] as BlobRef;
      const carried = await carryOne(name, uris.get(ref.digest), ref, ports);
      if (!carried.ok) failed = carried;
      done += ref.bytes;
      bar.show(`document ${Math.min(next, lacking.length)} of ${lacking.length}`, done, total);
    }
  };
  await Promise.all(Array.from({ length: sendsAtOnce }, work));
  bar.clear();
  return failed;
}

async function carryOne(
  name: string,
  uri: string | undefined,
  ref: BlobRef,
  { agent, coordinator, answers }: PushPorts,
): Promise<Result<void>> {
  const bytes = uri === undefined ? ok(answers) : await readDocument(name, uri, agent);
  if (!bytes.ok) return bytes;
  // It has changed since the draft: the next round will see.
  if (bytes.value === undefined || sha256(bytes.value) !== ref.digest) return ok(undefined);
  const path = `/v1/registry/files/${ref.digest}`;
  const put = await coordinator.ask('PUT', path, { body: bytes.value });
  if (!put.ok) return put;
  return put.value.ok ? ok(undefined) : err(await failureOf(put.value));
}

async function readDocument(
  name: string,
  uri: string,
  agent: CoordinatorClient,
): Promise<Result<Uint8Array>> {
  const query = new URLSearchParams({ uri });
  const path = `/v1/collections/${encodeURIComponent(name)}/snapshot/document?${query}`;
  const read = await agent.ask('GET', path);
  if (!read.ok) return read;
  if (!read.value.ok) return err(await failureOf(read.value));
  return ok(new Uint8Array(await read.value.arrayBuffer()));
}
