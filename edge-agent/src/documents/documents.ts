// The documents that this device shares: its twin, its site's and the fleet's policy. Apps read and change them here, with
// or without a link; the follower keeps them in step with the coordinator. Through
// the site's relay its document has a second way; this device may be that relay.

import { type Clock, err, failure, type Log, ok, type Random, type Result } from '@skerry/shared';
import type { DocumentChange, DownOp, Link } from '@skerry/sync-protocol';
import {
  authorOf,
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
import { openRelay, type Relay, type RelayPorts } from './relay.ts';
import { createRelayLink, type RelayLink, type RelayLinkPorts } from './relay-link.ts';

export interface DocumentsPorts {
  readonly engine: DocumentEngine;
  readonly store: DocumentLog & FollowerStore;
  readonly append: (body: DocumentChange) => Result<number>;
  readonly acknowledged: (seq: number) => boolean;
  readonly digestOf: (bytes: Uint8Array) => `sha256:${string}`;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This device's twin has changed. */
  readonly onTwinChanged?: () => void;
  /** Where its site has one. */
  readonly relayLink?: RelayLinkPorts | undefined;
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
  /** Makes this device its site's relay. Fails where its neighbours cannot be read. */
  relaySite(ports: RelayPorts): Promise<Result<void>>;
  /** How the site is without the cloud, as far as this device has to do with it. */
  relaying(): { readonly neighbours?: number; readonly relay?: Link };
  close(): Promise<void>;
}

export function createDocuments(
  { device, site }: { readonly device: string; readonly site: string },
  ports: DocumentsPorts,
): Documents {
  const { engine, store, digestOf, random, clock, log: trace } = ports;
  const names: Readonly<Record<DocumentScope, string>> = {
    device: twinOf(device),
    site: siteDocument(site),
    fleet: fleetDocument,
  };
  let relay: Relay | undefined;
  let relayLink: RelayLink | undefined;
  const replica = createReplica({
    engine,
    log: store,
    random,
    clock,
    author: authorOf(device, digestOf),
    onChanged(document) {
      follower.changed(document);
      relayLink?.changed(document);
      relay?.changed(document);
      stream.wake(document);
      if (document === names.device) ports.onTwinChanged?.();
    },
  });
  const follower: Follower = createFollower({
    replica,
    log: store,
    store,
    documents: Object.values(names),
    of: 'coordinator',
    append: ports.append,
    acknowledged: ports.acknowledged,
    digestOf,
    clock,
    frameId: () => random.uint32(),
    trace,
  });
  const shared = { replica, log: store, digestOf, clock, random, trace };
  if (ports.relayLink !== undefined)
    relayLink = createRelayLink(names.site, ports.relayLink, shared);
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
    async relaySite(relayPorts) {
      const opened = await openRelay(names.site, relayPorts, shared);
      if (opened.ok) relay = opened.value;
      return opened.ok ? ok(undefined) : opened;
    },
    relaying: () => ({
      ...(relay === undefined ? {} : { neighbours: relay.neighbours() }),
      ...(relayLink === undefined ? {} : { relay: relayLink.link() }),
    }),
    async close() {
      await relayLink?.close();
      await relay?.close();
      follower.close();
      await follower.idle();
    },
  };
}
