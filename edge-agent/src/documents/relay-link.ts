// This device's second way for its site's document: to the site's relay, beside the way to the coordinator. It has a store
// of its own, for cursor, seqs and acks are between two, and what the relay has says nothing of what the coordinator has.
// [RLY1]

import type { Clock, Log, Random } from '@skerry/shared';
import {
  createSession,
  type DeviceStore,
  type DeviceTransport,
  type Link,
} from '@skerry/sync-protocol';
import {
  createFollower,
  type DocumentLog,
  type Follower,
  type FollowerStore,
  type Replica,
} from '@skerry/sync-protocol/documents';
import { acknowledgedBy } from './acknowledged.ts';

export interface RelayLinkPorts {
  /** Of this link alone: no op for the coordinator is ever in it. */
  readonly store: DeviceStore;
  /** In the same database, whose transactions move its cursor. */
  readonly frames: FollowerStore;
  readonly transport: DeviceTransport;
}

export interface RelayLink {
  changed(document: string): void;
  link(): Link;
  close(): Promise<void>;
}

export function createRelayLink(
  document: string,
  { store, frames, transport }: RelayLinkPorts,
  shared: {
    readonly replica: Replica;
    readonly log: Pick<DocumentLog, 'quarantine'>;
    readonly digestOf: (bytes: Uint8Array) => `sha256:${string}`;
    readonly clock: Clock;
    readonly random: Random;
    readonly trace: Log;
  },
): RelayLink {
  const { clock, random, trace } = shared;
  const follower: Follower = createFollower({
    ...shared,
    store: frames,
    documents: [document],
    of: 'relay',
    append(body) {
      const appended = store.append(body, clock.nowMs());
      if (appended.ok) session.notifyAppended();
      return appended;
    },
    acknowledged: acknowledgedBy(store),
    frameId: () => random.uint32(),
  });
  const session = createSession({
    store,
    transport,
    clock,
    random,
    log: trace,
    effect({ position, body }) {
      if (body.kind === 'document-change')
        frames.receive({ position, document: body.document, frame: body.frame });
    },
    onApplied: () => follower.arrived(),
  });
  return {
    changed(changed) {
      if (changed === document) follower.changed(document);
    },
    link: session.link,
    async close() {
      session.close();
      follower.close();
      await follower.idle();
    },
  };
}
