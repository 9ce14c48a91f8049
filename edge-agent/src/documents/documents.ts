// The documents that this device shares: its twin, its site's and the fleet's policy. Apps read and change them here, with
// or without a link; the follower keeps them in step with the coordinator.

import { type Clock, err, failure, type Log, type Random, type Result } from '@skerry/shared';
import type { DocumentChange, DownOp } from '@skerry/sync-protocol';
import {
  createFollower,
  createReplica,
  type DocumentEngine,
  type DocumentLog,
  type DocumentScope,
  type DocumentView,
  type Follower,
  type FollowerStore,
  fleetDocument,
  siteDocument,
  twinOf,
  writableBy,
} from '@skerry/sync-protocol/documents';
import { createDocumentStream, type DocumentStream } from './document-stream.ts';

export interface DocumentsPorts {
  readonly engine: DocumentEngine;
  readonly store: DocumentLog & FollowerStore;
  readonly append: (body: DocumentChange) => Result<number>;
  readonly acknowledged: (seq: number) => boolean;
  readonly digestOf: (bytes: Uint8Array) => `sha256:${string}`;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Documents {
  read(scope: DocumentScope): Promise<Result<DocumentView>>;
  /** A JSON merge patch (RFC 7396). Fails with `invalid_argument` for what a device may not write, and `too_large`. */
  patch(scope: DocumentScope, patch: unknown): Promise<Result<DocumentView>>;
  readonly stream: DocumentStream;
  /** Inside the transaction that applies a down op. */
  record(op: DownOp): void;
  /** After that transaction. */
  deliver(ops: readonly DownOp[]): void;
  close(): Promise<void>;
}

export function createDocuments(
  { device, site }: { readonly device: string; readonly site: string },
  ports: DocumentsPorts,
): Documents {
  const { engine, store, digestOf, random } = ports;
  const names: Readonly<Record<DocumentScope, string>> = {
    device: twinOf(device),
    site: siteDocument(site),
    fleet: fleetDocument,
  };
  const replica = createReplica({
    engine,
    log: store,
    random,
    author: authorOf(device, digestOf),
    onChanged(document) {
      follower.changed(document);
      stream.wake(document);
    },
  });
  const follower: Follower = createFollower({
    replica,
    log: store,
    store,
    documents: Object.values(names),
    append: ports.append,
    acknowledged: ports.acknowledged,
    digestOf,
    clock: ports.clock,
    frameId: () => random.uint32(),
    trace: ports.log,
  });
  const read = (scope: DocumentScope) => replica.read(names[scope]);
  const stream = createDocumentStream((document) => replica.read(document), names);

  return {
    read,
    stream,
    async patch(scope, patch) {
      const writable = writableBy('device', scope);
      if (writable !== 'all' && writable.length === 0)
        return err(failure('invalid_argument', 'the fleet’s policy is the operator’s to write'));
      const patched = await replica.patch(names[scope], patch, writable);
      return patched.ok ? read(scope) : patched;
    },
    record({ position, body }) {
      if (body.kind === 'document-change')
        store.receive({ position, document: body.document, frame: body.frame });
    },
    deliver(ops) {
      if (ops.some(({ body }) => body.kind === 'document-change')) follower.arrived();
    },
    async close() {
      follower.close();
      await follower.idle();
    },
  };
}

/** What every actor of this device's begins with; the rest is new with each start. */
function authorOf(device: string, digestOf: DocumentsPorts['digestOf']): string {
  const authorDigits = 16;
  const digest = digestOf(new TextEncoder().encode(device));
  return digest.slice('sha256:'.length, 'sha256:'.length + authorDigits);
}
