// The coordinator's pipe over MQTT 3.1.1, by mqtt.js. As on the device, the library's own memory is not used: a clean
// session, a new client for each connection, nothing published while there is none. What is lost is asked for again.

import { Socket } from 'node:net';
import {
  type Backoff,
  backoffMs,
  type Clock,
  createId,
  err,
  type FailureCode,
  failure,
  type Log,
  messageOf,
  ok,
  type Random,
  type Timer,
} from '@skerry/shared';
import {
  type CoordinatorTransport,
  parseTopic,
  presencePayload,
  presenceTopicFilter,
  topicsOf,
  upTopicFilter,
} from '@skerry/sync-protocol';
import { connect, type MqttClient } from 'mqtt';

const reconnectBackoff: Backoff = { initialMs: 250, maxMs: 10_000 };
const connectTimeoutMs = 5_000;
const keepaliveSeconds = 15;
/** More than either of its words. */
const presenceBytesMax = 16;

export interface MqttTransport extends CoordinatorTransport {
  /** Whether messages of devices reach us. */
  connected(): boolean;
  /** Resolves when they do for the first time. */
  readonly firstConnected: Promise<void>;
}

export interface MqttTransportPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A message that is nobody's has been dropped. */
  onDropped(code: FailureCode): void;
}

/** `inFlightMax`: publishes that the broker has not acknowledged. */
export function createMqttCoordinatorTransport(
  brokerUrl: string,
  inFlightMax: number,
  { clock, random, log, onDropped }: MqttTransportPorts,
): MqttTransport {
  const broker = new URL(brokerUrl).host; // The URL may hold a password; the log shall not.
  const clientId = `skerry-coordinator-${createId(clock.nowMs(), random)}`;
  let onMessage: (device: string, message: Uint8Array) => void = () => {};
  let onPresence: (device: string, online: boolean) => void = () => {};
  let client: MqttClient | undefined;
  let online = false;
  let inFlight = 0;
  let attempt = 0;
  let timer: Timer | undefined;
  let closed = false;
  let announce = (): void => {};
  const firstConnected = new Promise<void>((resolve) => {
    announce = resolve;
  });

  const dial = (): void => {
    const dialled = connect(brokerUrl, {
      clientId,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: connectTimeoutMs,
      keepalive: keepaliveSeconds,
      queueQoSZero: false,
    });
    client = dialled;
    inFlight = 0;
    dialled.on('connect', () => {
      // Replies are small writes: with Nagle's algorithm each would wait for the ACK of the one before it, 40 ms.
      if (dialled.stream instanceof Socket) dialled.stream.setNoDelay(true);
      void subscribe(dialled);
    });
    dialled.on('message', receive);
    dialled.on('error', (error) => log.debug({ reason: error.message }, 'mqtt error'));
    dialled.once('close', () => {
      dialled.end(true);
      if (dialled === client) hangUp();
    });
  };

  const subscribe = async (dialled: MqttClient): Promise<void> => {
    try {
      await dialled.subscribeAsync([upTopicFilter, presenceTopicFilter], { qos: 1 });
    } catch (thrown) {
      log.warn({ reason: messageOf(thrown) }, 'the broker refused the subscription');
      dialled.end(true);
      return;
    }
    if (closed || dialled !== client || !dialled.connected) return;
    online = true;
    attempt = 0;
    log.info({ broker }, 'connected to the broker');
    announce();
  };

  const receive = (topic: string, payload: Uint8Array): void => {
    const parsed = parseTopic(topic);
    if (!parsed.ok) drop(parsed.error.message);
    else if (parsed.value.channel === 'up') onMessage(parsed.value.device, payload);
    else if (parsed.value.channel === 'presence') receivePresence(parsed.value.device, payload);
    else drop(`not for us: ${topic}`);
  };

  const receivePresence = (device: string, payload: Uint8Array): void => {
    const word = new TextDecoder().decode(payload.subarray(0, presenceBytesMax));
    if (word === presencePayload.online) onPresence(device, true);
    else if (word === presencePayload.offline) onPresence(device, false);
    else drop(`no presence of ${device}`);
  };

  const drop = (reason: string): void => {
    onDropped('malformed_message');
    log.warn({ reason }, 'dropped a message');
  };

  const hangUp = (): void => {
    client = undefined;
    if (online) log.warn({ broker }, 'disconnected from the broker');
    online = false;
    if (!closed) timer = clock.after(backoffMs(reconnectBackoff, attempt++, random), dial);
  };

  dial();
  return {
    connected: () => online,
    firstConnected,
    onMessage(listener) {
      onMessage = listener;
    },
    onPresence(listener) {
      onPresence = listener;
    },
    async send(device, message) {
      const current = client;
      if (!online || current === undefined) return err(failure('unavailable', 'not connected'));
      if (inFlight >= inFlightMax)
        return err(failure('overloaded', `${inFlight} publishes wait for the broker`));
      inFlight += 1;
      try {
        // mqtt.js wants a Buffer; this one is a view, not a copy.
        const payload = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
        await current.publishAsync(topicsOf(device).down, payload, { qos: 1 });
        return ok(undefined);
      } catch (thrown) {
        return err(failure('unavailable', messageOf(thrown)));
      } finally {
        if (current === client) inFlight -= 1;
      }
    },
    async close() {
      closed = true;
      online = false;
      timer?.cancel();
      const current = client;
      client = undefined;
      await current?.endAsync(true);
    },
  };
}
