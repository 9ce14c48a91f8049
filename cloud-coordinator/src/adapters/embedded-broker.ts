// A broker for those who have none: aedes on a TCP port. It is a pipe and keeps nothing: no retained message, no
// session of a client that has gone, for its acknowledgement comes before its storing (aedes `handlers/publish.js`).

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import {
  envelopeBytesMax,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Result,
} from '@skerry/shared';
import { parseTopic } from '@skerry/sync-protocol';
import { Aedes } from 'aedes';
import { boundPackets } from './bound-packets.ts';

export interface EmbeddedBroker {
  readonly url: string;
  close(): Promise<void>;
}

export interface BrokerBounds {
  readonly connectionsMax: number;
}

/** What a packet may hold beside its payload: topic, packet id, a CONNECT's client id and will. */
const packetOverheadBytesMax = 4_096;
const clientIdCharsMax = 128;
const connectTimeoutMs = 10_000;
/** MQTT 3.1.1 §3.2.2.3. */
const notAuthorized = 5;
/** A subscriber that does not read is cut off, or it would stall all others. */
const drainTimeoutMs = 10_000;

/** Port 0 takes a free one. */
export async function openEmbeddedBroker(
  host: string,
  port: number,
  bounds: BrokerBounds,
  log: Log,
  onRefused: () => void,
): Promise<Result<EmbeddedBroker>> {
  const refuse = (reason: string): Error => {
    onRefused();
    log.warn({ reason }, 'the broker refused a client');
    return new Error(reason);
  };
  const aedes = new Aedes({
    maxClientsIdLength: clientIdCharsMax,
    connectTimeout: connectTimeoutMs,
    drainTimeout: drainTimeoutMs,
    authenticate(client, _username, _password, done) {
      // A session that outlives its connection would queue in memory without a bound.
      if (client.clean) done(null, true);
      else
        done(Object.assign(refuse('sessions are clean here'), { returnCode: notAuthorized }), null);
    },
    authorizePublish(_client, packet, done) {
      const problem = problemOf(packet.topic, packet.payload.length, packet.retain);
      done(problem === undefined ? null : refuse(problem));
    },
  });
  aedes.on('clientError', (_client, error) =>
    log.debug({ reason: error.message }, 'a client erred'),
  );
  aedes.on('connectionError', (_client, error) =>
    log.debug({ reason: error.message }, 'a connection erred'),
  );
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    aedes.handle(boundPackets(socket, envelopeBytesMax + packetOverheadBytesMax, refuse));
  });
  server.maxConnections = bounds.connectionsMax;
  try {
    await aedes.listen();
    server.listen(port, host);
    await once(server, 'listening');
  } catch (thrown) {
    aedes.close();
    return err(failure('unavailable', `broker on ${host}:${port}: ${messageOf(thrown)}`));
  }
  const address = server.address() as AddressInfo;
  return ok({
    url: `mqtt://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      aedes.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
}

function problemOf(topic: string, bytes: number, retain: boolean): string | undefined {
  if (!parseTopic(topic).ok) return 'a topic that is none of ours';
  if (retain) return 'nothing is retained here';
  if (bytes > envelopeBytesMax) return `a payload of ${bytes} bytes, at most ${envelopeBytesMax}`;
  return undefined;
}
