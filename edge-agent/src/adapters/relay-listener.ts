// Where a site's relay hears its neighbours: the coordinator's HTTP end of the Exchange, and copies of what updates have
// brought here. The path names the site, so that an agent which was sent to the wrong place finds nothing there. Off loopback over TLS: both sides show the
// certificate of the fleet's authority, also while nobody can be asked about it. [RLY5]

import { type Clock, err, failure, type Log, ok, type Result } from '@skerry/shared';
import { isLoopback, listenHttp } from '@skerry/shared/node';
import type { CoordinatorTransport } from '@skerry/sync-protocol';
import {
  createExchangeRoutes,
  createHttpServer,
  createHttpTransport,
  type PeerEnvironment,
  type PeerIdentity,
  respondFailure,
} from '@skerry/sync-protocol/http';
import { Hono } from 'hono';
import { neighboursMax } from '../documents/relay.ts';
import { type IdentityKeeper, tlsOf } from '../fleet/identity.ts';
import type { ServeCopy } from '../sync/serve-copies.ts';

export interface RelayListenerConfig {
  readonly site: string;
  readonly relayHost: string;
  readonly relayPort: number;
  readonly insecure?: 'plaintext' | undefined;
}

export interface RelayListener {
  readonly url: string;
  readonly transport: CoordinatorTransport;
  close(): Promise<void>;
}

export const relayPathOf = (site: string): string => `/v1/sites/${site}`;
/** Of blobs of updates. */
export const copiesPathOf = (site: string): string => `${relayPathOf(site)}/blobs`;

/** Fails with `unavailable` where the address cannot be had, and where there is to be TLS and no certificate will come. */
export async function openRelayListener(
  { site, relayHost, relayPort, insecure }: RelayListenerConfig,
  {
    identity,
    isEnrolling,
    serveCopy,
    clock,
    log,
  }: {
    readonly identity: IdentityKeeper;
    readonly isEnrolling: boolean;
    readonly serveCopy?: ServeCopy | undefined;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<Result<RelayListener>> {
  const certified = !isLoopback(relayHost) && insecure === undefined;
  const current = identity.current();
  if (certified && current === undefined && !isEnrolling)
    return err(
      failure(
        'invalid_config',
        'relayHost is not loopback: a relay needs a certificate (--join-token), or --insecure plaintext',
      ),
    );
  const isExpired = ({ notAfterMs }: PeerIdentity): boolean => notAfterMs <= clock.nowMs();
  const { transport, pipe } = createHttpTransport(clock, neighboursMax);
  const routes = createExchangeRoutes(pipe, certified, relayPathOf(site));
  const app = new Hono<{ Bindings: PeerEnvironment }>();
  app.use(async (c, next) => {
    const { peer } = c.env;
    const refusal = certified && peer !== undefined && refusalOf(peer, site, isExpired(peer));
    return refusal ? respondFailure(c, refusal) : next();
  });
  if (serveCopy !== undefined)
    app.all(`${copiesPathOf(site)}/:digest`, (c) => {
      // In the clear, which is loopback, whoever names a digest gets its blob, as at the coordinator. [BLA5, PEE2]
      if (certified && c.env.peer?.kind !== 'device')
        return respondFailure(c, failure('unauthenticated', 'show the certificate of a device'));
      return serveCopy(c.req.raw, c.req.param('digest'));
    });
  app.all('*', (c) => routes.fetch(c.req.raw, c.env));
  const server = createHttpServer(
    app.fetch,
    certified ? { tls: current && tlsOf(current), isRefused: isExpired } : undefined,
  );
  identity.onObtained((obtained) => {
    server.show(tlsOf(obtained));
    server.review();
  });
  if (certified && current === undefined)
    log.info({}, 'the relay waits for its certificate before anybody can connect');
  const listening = await listenHttp(server.server, relayHost, relayPort);
  if (!listening.ok) return listening;
  return ok({
    url: listening.value.url,
    transport,
    async close() {
      await transport.close();
      await listening.value.close();
    },
  });
}

/** A certificate is of the site whose document is passed on. */
function refusalOf({ site: theirs, name }: PeerIdentity, site: string, isExpired: boolean) {
  if (isExpired) return failure('unauthenticated', 'the certificate has expired');
  return theirs === site
    ? undefined
    : failure('permission_denied', `'${name}' is of site '${theirs}', not '${site}'`);
}
