// A collection of this device's as others may take it: a draft of a snapshot, and each document's bytes. The same documents
// make the same bytes at each call, so nothing is kept for whoever comes later.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  encodeDocument,
  passagesRootOf,
  type SnapshotDraft,
  type SnapshotEntry,
  type TravelDocument,
} from '@skerry/sync-protocol/collections';
import type { WholeDocument } from '../collection-file.ts';
import type { CollectionThread } from '../collections.ts';
import type { Library } from '../library.ts';
import { embeddedText } from '../prepare-passages.ts';

export interface ExportPorts {
  readonly library: Pick<Library, 'collections' | 'embedder'>;
  readonly digestOf: (bytes: Uint8Array) => string;
}

/** Fails with `not_found`, and `invalid_argument` for one that is the cloud's already. */
export async function exportCollection(
  ports: ExportPorts,
  collection: string,
): Promise<Result<SnapshotDraft>> {
  const thread = await openOwn(ports, collection);
  if (!thread.ok) return thread;
  const listed = await thread.value.list({ principals: 'all' });
  if (!listed.ok) return listed;
  const documents: SnapshotEntry[] = [];
  for (const { uri } of listed.value) {
    const whole = await thread.value.whole(uri);
    if (!whole.ok) return whole;
    // It went meanwhile.
    if (whole.value !== undefined) documents.push(entryOf(whole.value, ports));
  }
  const { embedder } = ports.library;
  const vectors =
    embedder === undefined ? null : { embedder: embedder.digest, dimensions: embedder.dimensions };
  return ok({ collection, vectors, documents });
}

/** Undefined where there is no such document. */
export async function exportDocument(
  ports: ExportPorts,
  collection: string,
  uri: string,
): Promise<Result<Uint8Array<ArrayBuffer> | undefined>> {
  const thread = await openOwn(ports, collection);
  if (!thread.ok) return thread;
  const whole = await thread.value.whole(uri);
  if (!whole.ok) return whole;
  return ok(whole.value && encodeDocument(travelling(whole.value, ports)));
}

async function openOwn(
  { library }: ExportPorts,
  collection: string,
): Promise<Result<CollectionThread>> {
  const thread = await library.collections.open(collection);
  const snapshot = thread.ok ? await thread.value.snapshot() : thread;
  if (!snapshot.ok) return snapshot;
  return snapshot.value === undefined
    ? thread
    : err(failure('invalid_argument', `'${collection}' is the cloud's: it has it`));
}

function entryOf(whole: WholeDocument, ports: ExportPorts): SnapshotEntry {
  const { uri, digest, title, language, trust, readers, meta } = whole.record;
  const document = travelling(whole, ports);
  const bytes = encodeDocument(document);
  return {
    uri,
    digest,
    title,
    ...(language === null ? {} : { language }),
    trust,
    readers: readers === null ? null : [...readers],
    meta: { ...meta },
    blob: { digest: ports.digestOf(bytes), bytes: bytes.length },
    passages: document.passages.length,
    passagesRoot: passagesRootOf(document, ports.digestOf),
  };
}

/** With its vectors where all its passages have one. */
function travelling(
  { record, pages, passages }: WholeDocument,
  { library: { embedder }, digestOf }: ExportPorts,
): TravelDocument {
  const isWhole = embedder !== undefined && passages.every(({ halves }) => halves !== undefined);
  const dimensions = isWhole ? embedder.dimensions : 0;
  const halves = new Uint16Array(dimensions * passages.length);
  if (isWhole)
    for (const [i, passage] of passages.entries())
      halves.set(passage.halves as Uint16Array, i * dimensions);
  const digest = (heading: string, text: string): string =>
    digestOf(new TextEncoder().encode(embeddedText(record.title, heading, text)));
  return {
    text: passages.map(({ text }) => text).join(''),
    ...(pages === undefined ? {} : { pages }),
    passages: passages.map(({ start, end, heading, text, textDigest }) => {
      return { start, end, heading, textDigest: textDigest ?? digest(heading, text) };
    }),
    vectors: isWhole ? { embedder: embedder.digest, dimensions } : null,
    halves,
  };
}
