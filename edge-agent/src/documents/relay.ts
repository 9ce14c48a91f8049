// This device as its site's relay: the same hub and the same Exchange handler as the coordinator's, over this device's own
// replica of the site's document. It passes on changes and nothing else: what a neighbour owes the coordinator is never
// offered to it, so no word of a relay's takes an op from an outbox. [RLY1, RLY2]

import type { Clock, Log, Result } from '@skerry/shared';
import {
  type CoordinatorStore,
  type CoordinatorTransport,
  createExchangeHandler,
  type ExchangeHandler,
  serveExchanges,
} from '@skerry/sync-protocol';
import {
  createFrameTaker,
  type DocumentLog,
  type MemberStore,
  openHub,
  type Replica,
} from '@skerry/sync-protocol/documents';

/** The part of a coordinator's store that a relay has, bounded by neighbours. */
export type RelayStore = Pick<
  CoordinatorStore,
  'accept' | 'downOpsAfter' | 'append' | 'openOps' | 'closeOps' | 'quarantineOp'
> & {
  readonly members: MemberStore;
  /** Whom it has heard and not forgotten. */
  neighbours(): number;
};

export interface RelayPorts {
  readonly store: RelayStore;
  readonly transport: CoordinatorTransport;
}

export interface Relay {
  /** Somebody else has written to the replica. */
  changed(document: string): void;
  neighbours(): number;
  close(): Promise<void>;
}

/** More neighbours than a site has devices. */
export const neighboursMax = 256;

/** Fails where the members cannot be read. */
export async function openRelay(
  document: string,
  { store, transport }: RelayPorts,
  shared: {
    readonly replica: Replica;
    readonly log: Pick<DocumentLog, 'quarantine'>;
    readonly digestOf: (bytes: Uint8Array) => `sha256:${string}`;
    readonly clock: Clock;
    readonly trace: Log;
  },
): Promise<Result<Relay>> {
  const { clock, trace } = shared;
  const opened = await openHub(
    {
      ...shared,
      relays: document,
      members: store.members,
      async append(device, body) {
        const appended = await store.append(device, body, clock.nowMs());
        if (appended.ok) handler.news(device);
        return appended;
      },
      nudge: (device) => handler.news(device),
    },
    { membersMax: neighboursMax },
  );
  if (!opened.ok) return opened;
  const hub = opened.value;
  const taker = createFrameTaker({ hub, store, clock, log: trace });
  const handler: ExchangeHandler = createExchangeHandler(
    {
      store,
      clock,
      onExchange: ({ device, cursor }) => hub.heard(device, cursor),
      onAccepted: taker.arrived,
      hint: (device, message) => void transport.send(device, message),
    },
    { exchangesMax: neighboursMax },
  );
  serveExchanges(transport, handler, trace);
  return {
    ok: true,
    value: {
      changed(changed) {
        if (changed === document) hub.changed(document);
      },
      neighbours: store.neighbours,
      async close() {
        handler.close();
        await taker.close();
      },
    },
  };
}
