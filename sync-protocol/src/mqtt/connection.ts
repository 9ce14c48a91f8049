// One MQTT 3.1.1 connection that comes back, by mqtt.js, for both sides' transports. The library's own memory is not
// used: a clean session, a new client for each connection, and nothing published while there is none, so that what was
// in flight at a cut is never replayed behind our back (the stores do that).

import { Socket } from 'node:net';
import {
  type Backoff,
  backoffMs,
  type Clock,
  err,
  failure,
  type Log,
  messageOf,
  ok,
  type Random,
  type Result,
  sleep,
  type Timer,
} from '@skerry/shared';
import { connect, type MqttClient } from 'mqtt';

const reconnectBackoff: Backoff = { initialMs: 250, maxMs: 30_000 };
const connectTimeoutMs = 5_000;
const keepaliveSeconds = 15;
/** A goodbye that the broker does not acknowledge is not waited for. */
const goodbyeMs = 500;

export interface MqttConnectionConfig {
  readonly brokerUrl: string;
  readonly clientId: string;
  readonly subscriptions: readonly string[];
  /** Publishes that the broker has not acknowledged. */
  readonly inFlightMax: number;
  /** Where to say `online` after connecting and `offline` on leaving: the last will, carried by each CONNECT anew. */
  readonly presence?: { readonly topic: string; readonly online: string; readonly offline: string };
}

export interface MqttConnectionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
  /** Connected means: subscribed, so that no reply can be missed. */
  readonly onConnection: (connected: boolean) => void;
}

export interface MqttConnection {
  connected(): boolean;
  /** At QoS 1. Fails with `unavailable` without a connection, `overloaded` beyond `inFlightMax`; never queues. */
  publish(topic: string, payload: Uint8Array): Promise<Result<void>>;
  close(): Promise<void>;
}

export function openMqttConnection(
  config: MqttConnectionConfig,
  { clock, random, log, onMessage, onConnection }: MqttConnectionPorts,
): MqttConnection {
  const { brokerUrl, clientId, presence } = config;
  const broker = new URL(brokerUrl).host; // The URL may hold a password; the log shall not.
  let client: MqttClient | undefined;
  let online = false;
  let inFlight = 0;
  let attempt = 0;
  let timer: Timer | undefined;
  let closed = false;

  const dial = (): void => {
    const dialled = connect(brokerUrl, {
      clientId,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: connectTimeoutMs,
      keepalive: keepaliveSeconds,
      queueQoSZero: false,
      ...(presence === undefined ? {} : { will: willOf(presence) }),
    });
    client = dialled;
    inFlight = 0;
    dialled.on('connect', () => void greet(dialled));
    dialled.on('message', onMessage);
    dialled.on('error', (error) => log.debug({ reason: error.message }, 'mqtt error'));
    dialled.once('close', () => {
      dialled.end(true);
      if (dialled === client) hangUp();
    });
  };

  const greet = async (dialled: MqttClient): Promise<void> => {
    // Messages are small writes one after another: with Nagle's algorithm each would wait for an ACK, 40 ms.
    if (dialled.stream instanceof Socket) dialled.stream.setNoDelay(true);
    try {
      await dialled.subscribeAsync([...config.subscriptions], { qos: 1 });
      if (presence) await dialled.publishAsync(presence.topic, presence.online, { qos: 1 });
    } catch (thrown) {
      log.warn({ reason: messageOf(thrown) }, 'the broker took the connection, not the greeting');
      dialled.end(true);
      return;
    }
    if (closed || dialled !== client || !dialled.connected) return;
    online = true;
    attempt = 0;
    log.info({ broker }, 'connected');
    onConnection(true);
  };

  const hangUp = (): void => {
    client = undefined;
    if (online) {
      online = false;
      log.info({ broker }, 'disconnected');
      onConnection(false);
    }
    if (!closed) timer = clock.after(backoffMs(reconnectBackoff, attempt++, random), dial);
  };

  dial();
  return {
    connected: () => online,
    async publish(topic, message) {
      const current = client;
      if (!online || current === undefined) return err(failure('unavailable', 'not connected'));
      if (inFlight >= config.inFlightMax)
        return err(failure('overloaded', `${inFlight} publishes wait for the broker`));
      inFlight += 1;
      try {
        // mqtt.js wants a Buffer; this one is a view, not a copy.
        const payload = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
        await current.publishAsync(topic, payload, { qos: 1 });
        return ok(undefined);
      } catch (thrown) {
        return err(failure('unavailable', messageOf(thrown)));
      } finally {
        if (current === client) inFlight -= 1;
      }
    },
    async close() {
      closed = true;
      timer?.cancel();
      const current = client;
      client = undefined;
      if (current === undefined) return;
      if (online && presence) {
        const goodbye = current.publishAsync(presence.topic, presence.offline, { qos: 1 });
        await Promise.race([goodbye.catch(() => undefined), sleep(clock, goodbyeMs)]);
      }
      online = false;
      await current.endAsync(true);
    },
  };
}

const willOf = ({ topic, offline }: NonNullable<MqttConnectionConfig['presence']>) => ({
  topic,
  payload: Buffer.from(offline),
  qos: 1 as const,
  retain: false,
});
