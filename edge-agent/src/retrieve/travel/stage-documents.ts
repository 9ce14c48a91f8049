// The documents of a snapshot that a device lacks: fetched some ahead, checked, and laid beside what is found.

import { err, type Failure, failure, ok, type Result } from '@skerry/shared';
import {
  decodeDocument,
  passagesRootOf,
  type SnapshotEntry,
  type TravelDocument,
} from '@skerry/sync-protocol/collections';
import type { CollectionThread } from '../collections.ts';
import { fromFloat16 } from '../float16.ts';
import type { SourceDocument } from '../passage.ts';
import { embeddedText, type PreparedPassages, vectorsOf } from '../prepare-passages.ts';
import type { Bring } from './bring-pages.ts';
import type { TakePorts } from './take-snapshot.ts';

/** Fetched at once, ahead of what is taken in. */
const fetchesMax = 4;

/**
 * One after the other, while the next ones are on their way. Returns how many passages were embedded here.
 * @param owner whose vectors are taken as they came
 */
export async function stageAll(
  entries: readonly SnapshotEntry[],
  thread: CollectionThread,
  bring: Bring,
  ports: TakePorts,
  owner: string | null,
): Promise<Result<number>> {
  const coming: Promise<Result<Uint8Array>>[] = [];
  let embedded = 0;
  for (const [i, entry] of entries.entries()) {
    for (const next of entries.slice(coming.length, i + fetchesMax)) coming.push(bring(next.blob));
    const bytes = await (coming[i] as Promise<Result<Uint8Array>>);
    if (ports.signal.aborted) return abandon(entries, ports);
    const staged = bytes.ok ? await stageOne(entry, bytes.value, thread, ports, owner) : bytes;
    if (!staged.ok) {
      for (const { blob } of entries.slice(i, i + fetchesMax)) ports.blobs.drop(blob);
      return err(about(entry, staged.error));
    }
    embedded += staged.value;
    const released = await ports.blobs.release(entry.blob.digest);
    if (!released.ok) return released;
  }
  return ok(embedded);
}

function abandon(entries: readonly SnapshotEntry[], { blobs }: TakePorts): Result<never> {
  for (const { blob } of entries) blobs.drop(blob);
  return err(failure('unavailable', 'nobody wants it any longer'));
}

const about = ({ uri }: SnapshotEntry, failed: Failure): Failure => ({
  ...failed,
  message: `${uri}: ${failed.message}`,
});

async function stageOne(
  entry: SnapshotEntry,
  bytes: Uint8Array,
  thread: CollectionThread,
  ports: TakePorts,
  owner: string | null,
): Promise<Result<number>> {
  const { digestOf, nowMs } = ports;
  if (digestOf(bytes) !== entry.blob.digest) return err(failure('digest_mismatch', 'other bytes'));
  const document = decodeDocument(bytes);
  if (!document.ok) return document;
  const { passages, text, pages } = document.value;
  const isOwn =
    passages.length === entry.passages &&
    passagesRootOf(document.value, digestOf) === entry.passagesRoot;
  if (!isOwn) return err(failure('malformed_message', 'its passages are not those that are named'));
  const { uri, title, digest, language, trust, readers, meta } = entry;
  const source: SourceDocument = {
    uri,
    title,
    text,
    digest,
    trust,
    meta,
    ...(language === undefined ? {} : { language }),
    ...(readers === null ? {} : { readers }),
    ...(pages === undefined ? {} : { pages }),
  };
  const prepared = await prepare(source, document.value, thread, ports, owner);
  if (!prepared.ok) return prepared;
  const put = { source, passages: prepared.value.passages };
  const staged = await thread.stage(entry.blob.digest, put, nowMs(), owner);
  return staged.ok ? ok(prepared.value.embedded) : staged;
}

/** By length, and not by meaning, a longer one would be the nearest of every question. Halves are rounded. */
const squareMax = 1.02;
const squareOf = (vector: Float32Array): number =>
  vector.reduce((sum, each) => sum + each * each, 0);

/** With the vectors that came where they are this device's embedder's, or are kept for one; else with its own. */
async function prepare(
  source: SourceDocument,
  { passages, vectors, halves }: TravelDocument,
  thread: CollectionThread,
  { library: { embedder }, digestOf }: TakePorts,
  owner: string | null,
): Promise<Result<PreparedPassages>> {
  const { dimensions } = embedder ?? vectors ?? { dimensions: 0 };
  if (vectors !== null && vectors.embedder === owner && vectors.dimensions === dimensions) {
    const made = passages.map((passage, i) => {
      const own = halves.slice(i * dimensions, (i + 1) * dimensions);
      return { ...passage, vector: fromFloat16(own) };
    });
    if (made.some(({ vector }) => squareOf(vector) > squareMax))
      return err(failure('malformed_message', 'a vector is longer than 1'));
    return ok({ passages: made, embedded: 0 });
  }
  if (embedder === undefined) return ok({ passages, embedded: 0 });
  const texts = passages.map(({ start, end, heading }) =>
    embeddedText(source.title, heading, source.text.slice(start, end)),
  );
  const digests = texts.map((text) => digestOf(new TextEncoder().encode(text)));
  const wanted = new Map(digests.map((each, i) => [each, texts[i] as string]));
  const made = await vectorsOf(wanted, thread, embedder, () => {});
  if (!made.ok) return made;
  const prepared = passages.map((passage, i) => {
    const textDigest = digests[i] as string;
    const vector = made.value.found.get(textDigest);
    return { ...passage, textDigest, ...(vector === undefined ? {} : { vector }) };
  });
  return ok({ passages: prepared, embedded: made.value.embedded });
}
