// A broker for those who have none: aedes on a TCP port. It is a pipe and keeps nothing: no retained message, no
// session of a client that has gone, for its acknowledgement comes before its storing (aedes `handlers/publish.js`).
// Behind TLS it lets in whom the authority has signed, and each to its own topics. The coordinator beside it is connected
// without a socket: each message would cross the loopback, and be parsed and acknowledged, twice more.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import {
  envelopeBytesMax,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Result,
} from '@skerry/shared';
import {
  coordinatorMay,
  deviceClientId,
  deviceMay,
  parseTopic,
  type TopicAction,
} from '@skerry/sync-protocol';
import { type PeerIdentity, type PeerSecurity, peerIdentity } from '@skerry/sync-protocol/http';
import { Aedes, type AedesPublishPacket, type Client } from 'aedes';
import { boundPackets } from './bound-packets.ts';
import type { OpenConnection } from './mqtt-transport.ts';

export interface EmbeddedBroker {
  readonly url: string;
  /** A connection of this process's own. */
  readonly connect: OpenConnection;
  /** Ends the connections whose certificate is refused by now. */
  review(): void;
  close(): Promise<void>;
}

export interface BrokerBounds {
  readonly connectionsMax: number;
}

/** What a packet may hold beside its payload: topic, packet id, a CONNECT's client id and will. */
const packetOverheadBytesMax = 4_096;
const clientIdCharsMax = 128;
const connectTimeoutMs = 10_000;
/** Connections that the kernel keeps until we take them: after a cut a whole fleet comes back at once. */
const backlogConnections = 4_096;
/** MQTT 3.1.1 §3.2.2.3. */
const notAuthorized = 5;
const topicCharsShownMax = 128;
/**
 * Of messages on their way at once. With a limit all wait behind one subscriber that does not read, in a queue that has no
 * bound and, when it is long, is worked off by a recursion that ends the process. What waits for one subscriber is bounded
 * below.
 */
const unlimited = 0;
/** A subscriber that does not read is cut off, by time or by what waits for it. */
const drainTimeoutMs = 10_000;
const unreadBytesMax = 4 * 1024 * 1024;

/** Port 0 takes a free one. */
export async function openEmbeddedBroker(
  host: string,
  port: number,
  bounds: BrokerBounds,
  log: Log,
  onRefused: () => void,
  security?: PeerSecurity,
): Promise<Result<EmbeddedBroker>> {
  /** By the stream that aedes knows a client by. Without TLS it stays empty. */
  const peers = new WeakMap<object, PeerIdentity>();
  const open = new Map<Socket, PeerIdentity | undefined>();
  const refuse = (reason: string): Error => {
    onRefused();
    log.warn({ reason }, 'the broker refused a client');
    return new Error(reason);
  };
  const peerOf = (client: Client | null) => client && peers.get(client.conn);
  const strangerProblem = (client: Client): string | undefined => {
    if (security === undefined) return undefined;
    const peer = peerOf(client);
    if (!peer) return 'no certificate of ours';
    const idAgrees =
      peer.kind === 'coordinator'
        ? client.id.startsWith(peer.name)
        : client.id === deviceClientId(peer.name);
    return idAgrees ? undefined : `a client id that is not the certificate's, of ${peer.name}`;
  };
  const accessProblem = (client: Client | null, action: TopicAction, topic: string) => {
    if (security === undefined) return undefined;
    const peer = peerOf(client);
    if (peer?.kind === 'coordinator' && coordinatorMay(action, topic)) return undefined;
    if (peer?.kind === 'device' && deviceMay(peer.name, action, topic)) return undefined;
    return `${peer?.name ?? 'a stranger'} may not ${action} '${topic.slice(0, topicCharsShownMax)}'`;
  };
  const isRefused = (peer: PeerIdentity): boolean => security?.isRefused(peer) ?? false;
  const aedes = new Aedes({
    concurrency: unlimited,
    maxClientsIdLength: clientIdCharsMax,
    connectTimeout: connectTimeoutMs,
    drainTimeout: drainTimeoutMs,
    authenticate(client, _username, _password, done) {
      // A session that outlives its connection would queue in memory without a bound.
      const problem = client.clean ? strangerProblem(client) : 'sessions are clean here';
      if (problem === undefined) done(null, true);
      else done(Object.assign(refuse(problem), { returnCode: notAuthorized }), null);
    },
    authorizePublish(client, packet, done) {
      const problem =
        problemOf(packet.topic, packet.payload.length, packet.retain) ??
        accessProblem(client, 'publish', packet.topic);
      done(problem === undefined ? null : refuse(problem));
    },
    authorizeSubscribe(client, subscription, done) {
      const problem = accessProblem(client, 'subscribe', subscription.topic);
      // An error ends the connection: whoever tries this is not one of ours.
      if (problem === undefined) done(null, subscription);
      else done(refuse(problem));
    },
    authorizeForward(client, packet) {
      if (client.conn.writableLength <= unreadBytesMax) return packet;
      client.conn.destroy(refuse('a subscriber that does not read'));
      return null;
    },
  });
  aedes.on('clientError', (_client, error) =>
    log.debug({ reason: error.message }, 'a client erred'),
  );
  aedes.on('connectionError', (_client, error) =>
    log.debug({ reason: error.message }, 'a connection erred'),
  );
  const serve = (socket: Socket): void => {
    const peer = peerIdentity(socket);
    if (peer !== undefined && isRefused(peer)) {
      refuse(`a refused certificate, of ${peer.name}`);
      socket.destroy();
      return;
    }
    open.set(socket, peer);
    socket.on('close', () => open.delete(socket));
    boundPackets(socket, envelopeBytesMax + packetOverheadBytesMax, refuse);
    if (peer !== undefined) peers.set(socket, peer);
    aedes.handle(socket);
  };
  const server =
    security === undefined
      ? createServer({ noDelay: true }, serve)
      : createTlsServer(
          { ...security.tls, noDelay: true, requestCert: true, handshakeTimeout: connectTimeoutMs },
          serve,
        );
  server.on('tlsClientError', (error: Error) =>
    log.debug({ reason: error.message }, 'a TLS handshake failed'),
  );
  server.maxConnections = bounds.connectionsMax;
  try {
    await aedes.listen();
    server.listen({ port, host, backlog: backlogConnections });
    await once(server, 'listening');
  } catch (thrown) {
    aedes.close();
    return err(failure('unavailable', `broker on ${host}:${port}: ${messageOf(thrown)}`));
  }
  const address = server.address() as AddressInfo;
  return ok({
    connect: (config, { onMessage, onConnection }) =>
      connectTo(aedes, config, onMessage, onConnection),
    url: `${security === undefined ? 'mqtt' : 'mqtts'}://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    review() {
      for (const [socket, peer] of open)
        if (peer !== undefined && isRefused(peer)) socket.destroy();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      aedes.close();
      for (const socket of open.keys()) socket.destroy();
      await closed;
    },
  });
}

/** As a client's, but for `shared`: there is one coordinator on an embedded broker, and MQTT 3.1.1 knows of no sharing. */
function connectTo(
  aedes: Aedes,
  { subscriptions, shared, inFlightMax }: Parameters<OpenConnection>[0],
  onMessage: (topic: string, payload: Uint8Array) => void,
  onConnection: (connected: boolean) => void,
): ReturnType<OpenConnection> {
  const topics = [...subscriptions, ...(shared?.subscriptions ?? [])];
  let inFlight = 0;
  let closed = false;
  const receive = ({ topic, payload }: AedesPublishPacket, done: () => void): void => {
    if (!closed) onMessage(topic, payload as Buffer);
    done();
  };
  for (const topic of topics) aedes.subscribe(topic, receive, () => {});
  setImmediate(() => onConnection(true)); // As of any connection: after it was returned.
  return {
    connected: () => !closed && !aedes.closed,
    publish: (topic, message) =>
      new Promise((resolve) => {
        if (closed || aedes.closed) return resolve(err(failure('unavailable', 'not connected')));
        if (inFlight >= inFlightMax)
          return resolve(err(failure('overloaded', `${inFlight} publishes are under way`)));
        inFlight += 1;
        const payload = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
        const packet = {
          cmd: 'publish',
          topic,
          payload,
          qos: 1,
          retain: false,
          dup: false,
        } as const;
        aedes.publish(packet, (error) => {
          inFlight -= 1;
          resolve(error ? err(failure('unavailable', error.message)) : ok(undefined));
        });
      }),
    async close() {
      closed = true;
      for (const topic of topics) aedes.unsubscribe(topic, receive, () => {});
    },
  };
}

function problemOf(topic: string, bytes: number, retain: boolean): string | undefined {
  if (!parseTopic(topic).ok) return 'a topic that is none of ours';
  if (retain) return 'nothing is retained here';
  if (bytes > envelopeBytesMax) return `a payload of ${bytes} bytes, at most ${envelopeBytesMax}`;
  return undefined;
}
