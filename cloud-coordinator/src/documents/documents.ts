// The cloud's half of documents: takes devices' frames from the store, where they have been durable since their Exchange
// was acknowledged, to the hub, and carries the hub's news to the devices.

import type { Clock, Log, Random, Result } from '@skerry/shared';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import {
  createReplica,
  type DocumentEngine,
  type DocumentLog,
  type DocumentView,
  type Hub,
  type MemberStore,
  openHub,
} from '@skerry/sync-protocol/documents';

export interface DocumentsPorts {
  readonly store: Pick<CoordinatorStore, 'append' | 'openOps' | 'closeOps'>;
  readonly engine: DocumentEngine;
  readonly documents: DocumentLog & { readonly members: MemberStore };
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

const opsPerRead = 64;
const retryMs = 5_000;
/** What every actor of the coordinator's begins with; a device's begins with a digest, never with this. */
const cloudAuthor = '0000000000000000';

export async function openDocuments(ports: DocumentsPorts): Promise<Result<Documents>> {
  const { store, clock, log } = ports;
  const replica = createReplica({
    engine: ports.engine,
    log: ports.documents,
    random: ports.random,
    author: cloudAuthor,
    onChanged() {},
  });
  const opened = await openHub({
    replica,
    log: ports.documents,
    members: ports.documents.members,
    async append(device, body) {
      const appended = await store.append(device, body, clock.nowMs());
      if (appended.ok) ports.news(device);
      return appended;
    },
    digestOf: ports.digestOf,
    clock,
    trace: log,
    onRefused: (_document, _device, reason) => ports.onRefused(reason),
  });
  if (!opened.ok) return opened;
  const hub: Hub = opened.value;
  let closed = false;
  let more = false;
  let working: Promise<void> | undefined;

  /** Takes what waits, oldest first. What a crash leaves is taken again: integrating is idempotent. */
  const work = async (): Promise<void> => {
    for (;;) {
      more = false;
      const ops = await store.openOps('document-change', opsPerRead);
      if (!ops.ok) {
        log.error({ code: ops.error.code }, ops.error.message);
        clock.after(retryMs, wake);
        return;
      }
      for (const { device, body } of ops.value) {
        if (closed) return;
        if (body.kind === 'document-change') await hub.receive(device, body);
      }
      const done = await store.closeOps(ops.value.map(({ id }) => id));
      if (!done.ok) log.error({ code: done.error.code }, done.error.message);
      if (!done.ok || (ops.value.length < opsPerRead && !more)) return;
    }
  };
  const wake = (): void => {
    more = true;
    if (closed) return;
    working ??= work().finally(() => {
      working = undefined;
    });
  };

  wake(); // What the last start left.
  return {
    ok: true,
    value: {
      arrived: wake,
      heard: hub.heard,
      read: hub.read,
      async patch(document, patch) {
        const patched = await hub.patch(document, patch);
        return patched.ok ? hub.read(document) : patched;
      },
      async close() {
        closed = true;
        await working;
        await hub.idle();
      },
    },
  };
}
