// A device of a simulated site, the relay or a neighbour of it: the production feature over SQLite, with one way to the
// coordinator and, for a neighbour, one to the relay, each with a store of its own.

import {
  acknowledgedBy,
  createDocuments,
  createSqliteDeviceStore,
  createSqliteDocumentStore,
  createSqliteRelayStore,
  type Documents,
  type SqliteDatabase,
} from '@skerry/edge-agent';
import { type Clock, type Random, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { createSession, type DeviceStore, type Session } from '@skerry/sync-protocol';
import { type FollowerStore, siteDocument } from '@skerry/sync-protocol/documents';
import { createInlineEngine, type MemoryPipe } from '@skerry/sync-protocol/testing';

/** What can be broken in a site, to see that it is found. */
export const siteBugs = ['relayCountsAsCloud', 'oneStore', 'agesWithoutEnd'] as const;
export type SiteBug = (typeof siteBugs)[number];

export interface SiteDevicePorts {
  /** The device's disk, and that of its way to the relay. */
  readonly main: SqliteDatabase;
  readonly link: SqliteDatabase;
  readonly pipes: { readonly cloud: MemoryPipe; readonly site: MemoryPipe };
  readonly clock: Clock;
  readonly random: Random;
  readonly newEpoch: () => string;
}

export interface SiteDevice {
  readonly main: SqliteDatabase;
  readonly link: SqliteDatabase;
  readonly store: DeviceStore;
  readonly documents: Documents;
  readonly session: Session;
}

const bounds = { outboxOpsMax: 1_000, outboxBytesMax: 64 * 1024 * 1024 };
const relayBounds = { neighboursMax: 16, framesMax: 512 };

export async function startSiteDevice(
  {
    name,
    site,
    isRelay,
    bug,
  }: {
    readonly name: string;
    readonly site: string;
    readonly isRelay: boolean;
    readonly bug: SiteBug | undefined;
  },
  { main, link, pipes, clock, random, newEpoch }: SiteDevicePorts,
): Promise<SiteDevice> {
  const store = unwrap(createSqliteDeviceStore(main, name, newEpoch, bounds));
  const linkStore = unwrap(createSqliteDeviceStore(link, name, newEpoch, bounds));
  const kept = createSqliteDocumentStore(main);
  const relayLink = () => ({
    store: bug === 'oneStore' ? store : linkStore,
    frames: plant(bug, createSqliteDocumentStore(link), kept),
    transport: pipes.site.connect(name),
  });
  const documents = createDocuments(
    { device: name, site },
    {
      engine: createInlineEngine(),
      store: kept,
      append(body) {
        const appended = store.append(body, clock.nowMs());
        if (appended.ok) session.notifyAppended();
        return appended;
      },
      acknowledged: acknowledgedBy(store),
      digestOf: sha256,
      clock,
      random,
      log: silentLog,
      ...(isRelay ? {} : { relayLink: relayLink() }),
    },
  );
  const session = createSession({
    store,
    transport: pipes.cloud.connect(name),
    clock,
    random,
    log: silentLog,
    effect: documents.record,
    onApplied: documents.deliver,
  });
  if (isRelay) {
    const document = siteDocument(site);
    const relayStore = unwrap(createSqliteRelayStore(main, document, relayBounds, clock.nowMs()));
    unwrap(await documents.relaySite({ store: relayStore, transport: pipes.site.listen() }));
  }
  return { main, link, store, documents, session };
}

function plant(
  bug: SiteBug | undefined,
  frames: FollowerStore,
  ofCoordinator: FollowerStore,
): FollowerStore {
  if (bug !== 'relayCountsAsCloud') return frames;
  return {
    ...frames,
    noteHubHeads(of, heads) {
      frames.noteHubHeads(of, heads);
      ofCoordinator.noteHubHeads(of, heads); // Breaks [RLY1].
    },
  };
}
