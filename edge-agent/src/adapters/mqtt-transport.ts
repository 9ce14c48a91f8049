// The device's pipe over MQTT 3.1.1, by mqtt.js. The library's own memory is not used: a clean session, a new client
// for each connection, and nothing published while there is none, so that what was in flight at a cut is never
// replayed behind our back (the outbox does that). [reference: mqtt.js replays its store on reconnect]

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
  sleep,
  type Timer,
} from '@skerry/shared';
import { type DeviceTransport, presencePayload, topicsOf } from '@skerry/sync-protocol';
import { connect, type MqttClient } from 'mqtt';

const reconnectBackoff: Backoff = { initialMs: 250, maxMs: 30_000 };
const connectTimeoutMs = 5_000;
/** A goodbye that the broker does not acknowledge is not waited for. */
const goodbyeMs = 500;
const keepaliveSeconds = 15;
/** Publishes that the broker has not acknowledged; the session has one Exchange in flight, so this is ample. */
const inFlightMax = 8;

export interface MqttTransportConfig {
  readonly device: string;
  readonly brokerUrl: string;
}

export function createMqttDeviceTransport(
  { device, brokerUrl }: MqttTransportConfig,
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
): DeviceTransport {
  const topics = topicsOf(device);
  const broker = new URL(brokerUrl).host; // The URL may hold a password; the log shall not.
  let onMessage: (message: Uint8Array) => void = () => {};
  let onConnection: (connected: boolean) => void = () => {};
  let client: MqttClient | undefined;
  let online = false;
  let inFlight = 0;
  let attempt = 0;
  let timer: Timer | undefined;
  let closed = false;

  const dial = (): void => {
    const dialled = connect(brokerUrl, {
      clientId: `skerry-${device}`,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: connectTimeoutMs,
      keepalive: keepaliveSeconds,
      queueQoSZero: false,
      // Each CONNECT carries the will anew.
      will: {
        topic: topics.presence,
        payload: Buffer.from(presencePayload.offline),
        qos: 1,
        retain: false,
      },
    });
    client = dialled;
    inFlight = 0;
    dialled.on('connect', () => {
      // An Exchange is one small write after another: with Nagle's algorithm each would wait for an ACK, 40 ms.
      if (dialled.stream instanceof Socket) dialled.stream.setNoDelay(true);
      void greet(dialled);
    });
    dialled.on('message', (topic, payload) => {
      if (topic === topics.down) onMessage(payload);
    });
    dialled.on('error', (error) => log.debug({ error: error.message }, 'mqtt error'));
    dialled.once('close', () => {
      dialled.end(true);
      if (dialled === client) hangUp();
    });
  };

  /** Subscribed first, so that no reply can be missed; then present; then the session may speak. */
  const greet = async (dialled: MqttClient): Promise<void> => {
    try {
      await dialled.subscribeAsync(topics.down, { qos: 1 });
      await dialled.publishAsync(topics.presence, presencePayload.online, { qos: 1 });
    } catch (thrown) {
      log.warn({ error: messageOf(thrown) }, 'the broker took the connection and not the greeting');
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
    timer = clock.after(backoffMs(reconnectBackoff, attempt++, random), dial);
  };

  dial();
  return {
    connected: () => online,
    onMessage(listener) {
      onMessage = listener;
    },
    onConnection(listener) {
      onConnection = listener;
    },
    async send(message) {
      const current = client;
      if (!online || current === undefined) return err(failure('unavailable', 'not connected'));
      if (inFlight >= inFlightMax)
        return err(failure('overloaded', `${inFlight} publishes wait for the broker`));
      inFlight += 1;
      try {
        // mqtt.js wants a Buffer; this one is a view, not a copy.
        const payload = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
        await current.publishAsync(topics.up, payload, { qos: 1 });
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
      if (online) {
        online = false;
        const goodbye = current
          .publishAsync(topics.presence, presencePayload.offline, { qos: 1 })
          .catch(() => undefined);
        await Promise.race([goodbye, sleep(clock, goodbyeMs)]);
      }
      await current.endAsync(true);
    },
  };
}
