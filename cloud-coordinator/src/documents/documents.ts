// The cloud's half of documents: takes devices' frames from the store, where they have been durable since their Exchange
// was acknowledged, to the hub, and carries the hub's news to the devices.

import { type Clock, type Log, ok, type Random, type Result } from '@skerry/shared';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import {
  createFrameTaker,
  createReplica,
  type DocumentEngine,
  type DocumentLog,
  type DocumentView,
  type Hub,
  type HubPorts,
  type MemberStore,
  openHub,
} from '@skerry/sync-protocol/documents';

export interface DocumentsPorts {
  readonly store: Pick<CoordinatorStore, 'append' | 'openOps' | 'closeOps' | 'quarantineOp'>;
  readonly engine: DocumentEngine;
  readonly documents: DocumentLog & { readonly members: MemberStore };
  /** The site of a device's certificate, where devices have one. [DOC15] */
  readonly siteOf?: (device: string) => Promise<Result<string | undefined>>;
  readonly digestOf: (bytes: Uint8Array) => `sha256:${string}`;
  /** There is news for a device. */
  readonly news: (device: string) => void;
  readonly onRefused: (reason: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface Documents {
  /** Ops of ours have been accepted. */
  arrived(): void;
  /** A device has applied its down ops up to `cursor`. */
  heard(device: string, cursor: number): void;
  read(document: string): Promise<Result<DocumentView>>;
  /** A JSON merge patch (RFC 7396) of the cloud's. */
  patch(document: string, patch: unknown): Promise<Result<DocumentView>>;
  close(): Promise<void>;
}

/** What every actor of the coordinator's begins with; a device's begins with a digest, never with this. */
const cloudAuthor = '0000000000000000';

/** @param horizonMs how old a document's past may be. Fails where the members cannot be read */
export async function openDocuments(
  horizonMs: number,
  ports: DocumentsPorts,
): Promise<Result<Documents>> {
  const { store, siteOf, clock, log } = ports;
  const replica = createReplica({
    engine: ports.engine,
    log: ports.documents,
    random: ports.random,
    clock,
    author: cloudAuthor,
    onChanged() {},
  });
  const hubPorts: HubPorts = {
    replica,
    log: ports.documents,
    members: ports.documents.members,
    async append(device, body) {
      const appended = await store.append(device, body, clock.nowMs());
      if (appended.ok) ports.news(device);
      return appended;
    },
    nudge: ports.news,
    ...(siteOf === undefined
      ? {}
      : {
          async isOfSite(device, site) {
            const certified = await siteOf(device);
            return certified.ok ? ok(certified.value === site) : certified;
          },
        }),
    digestOf: ports.digestOf,
    clock,
    trace: log,
    onRefused: (_document, _device, reason) => ports.onRefused(reason),
  };
  const opened = await openHub(hubPorts, { horizonMs });
  if (!opened.ok) return opened;
  const hub: Hub = opened.value;
  const taker = createFrameTaker({ hub, store, clock, log });
  return {
    ok: true,
    value: {
      arrived: taker.arrived,
      heard: hub.heard,
      read: hub.read,
      async patch(document, patch) {
        const patched = await hub.patch(document, patch);
        return patched.ok ? hub.read(document) : patched;
      },
      close: taker.close,
    },
  };
}
