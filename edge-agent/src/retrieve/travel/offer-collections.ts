// This device's own collections, of which the configuration says that they may go up: their documents lie at the
// coordinator as blobs of this device's, and its twin says so. To publish them is an operator's to decide. [TRV15]

import { type Clock, type Log, ok, type Result, type Timer } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { canonicalJson, offersKey, type SnapshotDraft } from '@skerry/sync-protocol/collections';
import type { DocumentView } from '@skerry/sync-protocol/documents';
import { type ExportPorts, exportCollection, exportDocument } from './export-collection.ts';

export interface OfferBlobs {
  /** ok: the coordinator has confirmed it; nothing of it is left here. Waits out every cut. */
  sendUp(ref: BlobRef, bytes: Uint8Array): Promise<Result<void>>;
}

export interface OffersPorts extends ExportPorts {
  readonly blobs: OfferBlobs;
  readonly twin: {
    patch(patch: unknown): Promise<Result<DocumentView>>;
  };
  readonly clock: Clock;
  readonly log: Log;
}

/** A change waits so long for others. */
const lookEveryMs = 60_000;
/** Digests that this process has sent. */
const sentMax = 100_000;

export interface Offers {
  /** One look, now; resolves when what there was to send has been sent. */
  look(): Promise<void>;
  /** What is on its way ends with the transfers. */
  close(): void;
}

export function startOffers(names: readonly string[], ports: OffersPorts): Offers {
  const { library, blobs, twin, clock, log, digestOf } = ports;
  /** By collection, the revision that is offered. */
  const offered = new Map<string, number>();
  const sent = new Set<string>();
  let timer: Timer | undefined;
  let closed = false;
  let last: Promise<void> = Promise.resolve();

  const send = async (ref: BlobRef, bytes: Uint8Array): Promise<Result<void>> => {
    const up = await blobs.sendUp(ref, bytes);
    if (up.ok && sent.size < sentMax) sent.add(ref.digest);
    return up;
  };

  const sendDocuments = async ({ collection, documents }: SnapshotDraft): Promise<Result<void>> => {
    for (const { uri, blob } of documents) {
      if (sent.has(blob.digest) || closed) continue;
      const bytes = await exportDocument(ports, collection, uri);
      if (!bytes.ok) return bytes;
      // It has changed since: the next look offers what it is now.
      if (bytes.value === undefined || digestOf(bytes.value) !== blob.digest) return ok(undefined);
      const up = await send(blob, bytes.value);
      if (!up.ok) return up;
    }
    return ok(undefined);
  };

  const offer = async (name: string): Promise<Result<void>> => {
    const thread = await library.collections.open(name);
    if (!thread.ok) return thread;
    const stats = await thread.value.stats();
    if (!stats.ok || offered.get(name) === stats.value.revision)
      return stats.ok ? ok(undefined) : stats;
    const draft = await exportCollection(ports, name);
    if (!draft.ok) return draft;
    const up = await sendDocuments(draft.value);
    if (!up.ok) return up;
    const bytes = new TextEncoder().encode(canonicalJson(draft.value));
    const ref = { digest: digestOf(bytes), bytes: bytes.length };
    const gone = await send(ref, bytes);
    if (!gone.ok) return gone;
    const { documents } = draft.value;
    const said = {
      draft: ref.digest,
      draftBytes: ref.bytes,
      documents: documents.length,
      bytes: documents.reduce((sum, { blob }) => sum + blob.bytes, 0),
    };
    const patched = await twin.patch({ reported: { [offersKey]: { [name]: said } } });
    if (!patched.ok) return patched;
    offered.set(name, stats.value.revision);
    log.info({ collection: name, documents: documents.length }, 'a collection is offered');
    return ok(undefined);
  };

  const lookOnce = async (): Promise<void> => {
    for (const name of names) {
      if (closed) return;
      const done = await offer(name);
      if (!done.ok && done.error.code !== 'not_found')
        log.warn({ collection: name, code: done.error.code }, `not offered: ${done.error.message}`);
    }
  };

  const look = (): Promise<void> => {
    last = last.then(lookOnce);
    return last;
  };
  const schedule = (): void => {
    timer = clock.after(lookEveryMs, () => {
      void look().then(() => {
        if (!closed) schedule();
      });
    });
  };
  if (names.length > 0) {
    void look();
    schedule();
  }

  return {
    look,
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}
