// A site's relay, opened: its store in the device's database, and its listener.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import { siteDocument } from '@skerry/sync-protocol/documents';
import { neighboursMax, type RelayPorts } from '../documents/relay.ts';
import type { IdentityKeeper } from '../fleet/identity.ts';
import type { ServeCopy } from '../sync/serve-copies.ts';
import {
  openRelayListener,
  type RelayListener,
  type RelayListenerConfig,
} from './relay-listener.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { createSqliteRelayStore } from './sqlite-relay-store.ts';

export interface RelayConfig extends Omit<RelayListenerConfig, 'relayPort'> {
  readonly relayPort?: number | undefined;
  readonly joinToken?: string | undefined;
}

/** Frames of neighbours that wait for the hub: some saves in parts. */
const framesMax = 1_024;

/** Nothing, where this agent is no relay. */
export async function openRelay(
  { relayPort, joinToken, ...config }: RelayConfig,
  ports: {
    readonly identity: IdentityKeeper;
    readonly database: SqliteDatabase;
    readonly serveCopy: ServeCopy | undefined;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<Result<(RelayPorts & RelayListener) | undefined>> {
  if (relayPort === undefined) return ok(undefined);
  const document = siteDocument(config.site);
  const bounds = { neighboursMax, framesMax };
  const store = createSqliteRelayStore(ports.database, document, bounds, ports.clock.nowMs());
  if (!store.ok) return store;
  const isEnrolling = joinToken !== undefined;
  const listener = await openRelayListener({ ...config, relayPort }, { ...ports, isEnrolling });
  return listener.ok ? ok({ ...listener.value, store: store.value }) : listener;
}
