// The pipe and the store of the way to the site's relay. A database of its own: the acks and cursors of two peers must
// never meet, and nothing in it is owed to the coordinator, so it may be lost without harm. [RLY1]

import { join } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import {
  type Clock,
  createId,
  defaultSite,
  type Log,
  nameSchema,
  ok,
  type Random,
  type Result,
} from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';
import type { RelayLinkPorts } from '../documents/relay-link.ts';
import { createCoordinatorFetch, type Fetch } from './coordinator-fetch.ts';
import { createHttpDeviceTransport } from './http-transport.ts';
import { relayPathOf } from './relay-listener.ts';
import { openDatabase } from './sqlite-database.ts';
import { createSqliteDeviceStore } from './sqlite-device-store.ts';
import { createSqliteDocumentStore } from './sqlite-document-store.ts';

/** One frame, or one save in parts, is under way at a time. */
const bounds = { outboxOpsMax: 1_024, outboxBytesMax: 32 * 1024 * 1024 };

export interface OpenedRelayLink extends RelayLinkPorts {
  /** To the relay, as whom it must be. */
  readonly fetch: Fetch;
  close(): Promise<void>;
}

export function openRelayLink(
  config: {
    readonly device: string;
    readonly site: string;
    readonly dataDir: string;
    readonly relayUrl: string;
  },
  ports: {
    readonly tls: () => TlsMaterial | undefined;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
  },
): Result<OpenedRelayLink> {
  const { device, site, relayUrl } = config;
  const { clock, random } = ports;
  const database = openDatabase(join(config.dataDir, 'relay-link.db'));
  if (!database.ok) return database;
  const newEpoch = (): string => createId(clock.nowMs(), random);
  const store = createSqliteDeviceStore(database.value, device, newEpoch, bounds);
  if (!store.ok) {
    database.value.close();
    return store;
  }
  const { fetch, close } = createCoordinatorFetch(ports.tls, (_host, certificate) =>
    refuseStranger(certificate, site),
  );
  const transport = createHttpDeviceTransport(
    { device, coordinatorUrl: relayUrl, path: relayPathOf(site) },
    { ...ports, fetch },
  );
  return ok({
    store: store.value,
    frames: createSqliteDocumentStore(database.value),
    transport,
    fetch,
    async close() {
      await transport.close();
      await close();
      database.value.close();
    },
  });
}

/** A relay's address says nothing; it is a device of our authority's, and of our site. */
export function refuseStranger(
  { subject }: Pick<PeerCertificate, 'subject'>,
  site: string,
): Error | undefined {
  const { CN: name, OU: theirs = defaultSite } = subject;
  if (!nameSchema.safeParse(name).success) return new Error('the relay is no device');
  return theirs === site ? undefined : new Error(`the relay is of site '${theirs}', not '${site}'`);
}
