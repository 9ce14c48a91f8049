// The coordinator's HTTP server, plain or behind TLS. A client may show a certificate and need not: browsers and
// devices that enrol have none. One that shows a refused certificate is not served at all.

import type { Server } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { createAdaptorServer } from '@hono/node-server';
import type { TlsMaterial } from '@skerry/shared/node';
import { type PeerIdentity, type PeerSecurity, peerIdentity } from './peer-identity.ts';

export interface HttpServer {
  readonly server: Server;
  /** Ends the connections whose certificate is refused by now. */
  review(): void;
  /** Shows another certificate from the next connection on. */
  show(tls: TlsMaterial): void;
}

/** What the server hands to the app beside each request. */
export interface PeerEnvironment {
  readonly peer: PeerIdentity | undefined;
}

type Fetch = (request: Request, environment: PeerEnvironment) => Response | Promise<Response>;

export function createHttpServer(fetch: Fetch, security: PeerSecurity | undefined): HttpServer {
  const serve = (request: Request, { incoming }: { incoming: { socket: unknown } }) =>
    fetch(request, { peer: peerIdentity(incoming.socket) });
  if (security === undefined)
    return { server: createAdaptorServer({ fetch: serve }) as Server, review() {}, show() {} };

  const shown = new Map<TLSSocket, PeerIdentity>();
  const endIfRefused = (socket: TLSSocket, peer: PeerIdentity): void => {
    if (security.isRefused(peer)) socket.destroy();
  };
  const server = createAdaptorServer({
    fetch: serve,
    createServer: createHttpsServer,
    serverOptions: { ...security.tls, requestCert: true, rejectUnauthorized: false },
  }) as unknown as HttpsServer;
  server.on('secureConnection', (socket: TLSSocket) => {
    const peer = peerIdentity(socket);
    if (peer === undefined) return;
    shown.set(socket, peer);
    socket.on('close', () => shown.delete(socket));
    endIfRefused(socket, peer);
  });
  return {
    server,
    show: (tls) => server.setSecureContext(tls),
    review() {
      for (const [socket, peer] of shown) endIfRefused(socket, peer);
    },
  };
}
