// One MQTT connection that comes back, by mqtt.js, for both sides' transports. MQTT 5 where the broker speaks it, 3.1.1
// where not: nothing but convenience depends on which. The library's own memory is not
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
import type { TlsMaterial } from '@skerry/shared/node';
import { connect, type IClientPublishOptions, type MqttClient } from 'mqtt';

const reconnectBackoff: Backoff = { initialMs: 250, maxMs: 30_000 };
const connectTimeoutMs = 5_000;
const keepaliveSeconds = 15;
/** Whoever waited for a message has sent it again by then, or given up: the broker may drop it. MQTT 5 §3.3.2.3.3. */
const messageExpirySeconds = 60;
/** MQTT 3.1.1 §3.2.2.3 and MQTT 5 §3.2.2.2: the broker does not speak the version. */
const unacceptableVersionCodes: readonly unknown[] = [0x01, 0x84];
/** From here on a SUBACK's codes are refusals. */
const subscriptionRefusedCode = 0x80;
/** W3C Trace Context, §3.2. */
const traceProperty = 'traceparent';
/** A goodbye that the broker does not acknowledge is not waited for. */
const goodbyeMs = 500;

export interface MqttConnectionConfig {
  readonly brokerUrl: string;
  readonly clientId: string;
  readonly subscriptions: readonly string[];
  /** Of these, each message goes to one of the connections that name the same group, where the broker can (MQTT 5). */
  readonly shared?: { readonly group: string; readonly subscriptions: readonly string[] };
  /** For an mqtts broker that asks who we are. Read at each connection; none means: not yet, try later. */
  readonly tls?: () => TlsMaterial | undefined;
  /** Publishes that the broker has not acknowledged. */
  readonly inFlightMax: number;
  /** Where to say `online` after connecting and `offline` on leaving: the last will, carried by each CONNECT anew. */
  readonly presence?: { readonly topic: string; readonly online: string; readonly offline: string };
}

export interface MqttConnectionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** `traceparent` where the sender gave one and the broker speaks MQTT 5. */
  readonly onMessage: (topic: string, payload: Uint8Array, traceparent?: string) => void;
  /** Connected means: subscribed, so that no reply can be missed. */
  readonly onConnection: (connected: boolean) => void;
}

export interface MqttConnection {
  connected(): boolean;
  /** At QoS 1. Fails with `unavailable` without a connection, `overloaded` beyond `inFlightMax`; never queues. */
  publish(topic: string, payload: Uint8Array, traceparent?: string): Promise<Result<void>>;
  /** What the broker was found to speak. */
  protocolVersion(): 4 | 5;
  close(): Promise<void>;
}

export function openMqttConnection(
  config: MqttConnectionConfig,
  { clock, random, log, onMessage, onConnection }: MqttConnectionPorts,
): MqttConnection {
  const { brokerUrl, clientId, presence } = config;
  const broker = new URL(brokerUrl).host; // The URL may hold a password; the log shall not.
  let client: MqttClient | undefined;
  let version: 4 | 5 = 5;
  let online = false;
  let inFlight = 0;
  let attempt = 0;
  let timer: Timer | undefined;
  let closed = false;
  let redialAtOnce = false;

  const dial = (): void => {
    const identity = config.tls?.();
    if (config.tls !== undefined && identity === undefined) {
      hangUp();
      return;
    }
    const dialled = connect(brokerUrl, {
      clientId,
      protocolVersion: version,
      ...identity,
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
    dialled.on('message', (topic, payload, { properties }) => {
      const trace = properties?.userProperties?.[traceProperty];
      onMessage(topic, payload, typeof trace === 'string' ? trace : undefined);
    });
    dialled.on('error', (error) => {
      log.debug({ reason: error.message }, 'mqtt error');
      if (!('code' in error) || !unacceptableVersionCodes.includes(error.code)) return;
      if (version === 5) redialAtOnce = true;
      version = 4;
    });
    dialled.once('close', () => {
      dialled.end(true);
      if (dialled === client) hangUp();
    });
  };

  const greet = async (dialled: MqttClient): Promise<void> => {
    // Messages are small writes one after another: with Nagle's algorithm each would wait for an ACK, 40 ms.
    if (dialled.stream instanceof Socket) dialled.stream.setNoDelay(true);
    try {
      const granted = await dialled.subscribeAsync(subscriptionsOf(config, version), { qos: 1 });
      if (granted.some(({ qos }) => qos >= subscriptionRefusedCode))
        throw new Error('a subscription was refused');
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
    if (closed) return;
    const waitMs = redialAtOnce ? 0 : backoffMs(reconnectBackoff, attempt++, random);
    redialAtOnce = false;
    timer = clock.after(waitMs, dial);
  };

  dial();
  return {
    connected: () => online,
    protocolVersion: () => version,
    async publish(topic, message, traceparent) {
      const current = client;
      if (!online || current === undefined) return err(failure('unavailable', 'not connected'));
      if (inFlight >= config.inFlightMax)
        return err(failure('overloaded', `${inFlight} publishes wait for the broker`));
      inFlight += 1;
      try {
        // mqtt.js wants a Buffer; this one is a view, not a copy.
        const payload = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
        await current.publishAsync(topic, payload, publishOptions(version, traceparent));
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

function subscriptionsOf(
  { subscriptions, shared }: MqttConnectionConfig,
  version: 4 | 5,
): string[] {
  const prefix = version === 5 && shared !== undefined ? `$share/${shared.group}/` : '';
  return [...subscriptions, ...(shared?.subscriptions ?? []).map((filter) => prefix + filter)];
}

function publishOptions(version: 4 | 5, traceparent: string | undefined): IClientPublishOptions {
  if (version === 4) return { qos: 1 };
  // mqtt.js never sends a packet whose user properties are empty.
  const trace =
    traceparent === undefined ? {} : { userProperties: { [traceProperty]: traceparent } };
  return { qos: 1, properties: { messageExpiryInterval: messageExpirySeconds, ...trace } };
}

const willOf = ({ topic, offline }: NonNullable<MqttConnectionConfig['presence']>) => ({
  topic,
  payload: Buffer.from(offline),
  qos: 1 as const,
  retain: false,
});
