// The coordinator over MQTT: every device's up and presence in, each one's down out, and beside them the chunks of blobs,
// all on one connection, since brokers may know a certificate by one client id.

import { type Clock, createId, type FailureCode, type Log, type Random } from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';
import {
  type CoordinatorTransport,
  parseTopic,
  presencePayload,
  presenceTopicFilter,
  topicsOf,
  upTopicFilter,
} from '@skerry/sync-protocol';
import { blobUpTopicFilter } from '@skerry/sync-protocol/blobs';
import { coordinatorNamePrefix } from '@skerry/sync-protocol/http';
import {
  type MqttConnection,
  type MqttConnectionConfig,
  type MqttConnectionPorts,
  openMqttConnection,
} from '@skerry/sync-protocol/mqtt';

/** More than either of its words. */
const presenceBytesMax = 16;

export interface MqttTransport extends CoordinatorTransport {
  /** Whether messages of devices reach us. */
  connected(): boolean;
  /** Resolves when they do for the first time. */
  readonly firstConnected: Promise<void>;
  readonly blobs: CoordinatorChunkPipe;
}

export type CoordinatorChunkPipe = Pick<CoordinatorTransport, 'onMessage' | 'send'>;

/** How to reach the broker, where that is not a dial to its URL. */
export type OpenConnection = (
  config: Pick<MqttConnectionConfig, 'subscriptions' | 'shared' | 'inFlightMax'>,
  ports: Pick<MqttConnectionPorts, 'onMessage' | 'onConnection'>,
) => Pick<MqttConnection, 'connected' | 'publish' | 'close'>;

export interface MqttTransportPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A message that is nobody's has been dropped. */
  onDropped(code: FailureCode): void;
  /** For a broker behind TLS: our certificate, and the name in it. */
  readonly identity?: { readonly name: string; readonly tls: TlsMaterial } | undefined;
  readonly connect?: OpenConnection | undefined;
}

/** Coordinators of one database share what devices send, where the broker can. */
const sharedGroup = 'skerry-coordinators';

/** `inFlightMax`: publishes that the broker has not acknowledged. */
export function createMqttCoordinatorTransport(
  brokerUrl: string,
  inFlightMax: number,
  { clock, random, log, onDropped, identity, connect }: MqttTransportPorts,
): MqttTransport {
  let onMessage: (device: string, message: Uint8Array) => void = () => {};
  let onChunk: (device: string, message: Uint8Array) => void = () => {};
  let onPresence: (device: string, online: boolean) => void = () => {};
  let announce = (): void => {};
  const firstConnected = new Promise<void>((resolve) => {
    announce = resolve;
  });

  const receive = (topic: string, payload: Uint8Array): void => {
    const parsed = parseTopic(topic);
    if (!parsed.ok) drop(parsed.error.message);
    else if (parsed.value.channel === 'up') onMessage(parsed.value.device, payload);
    else if (parsed.value.channel === 'blobUp') onChunk(parsed.value.device, payload);
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

  const dial: OpenConnection = (config, listeners) =>
    openMqttConnection(
      {
        ...config,
        brokerUrl,
        clientId: `${identity?.name ?? coordinatorNamePrefix}-${createId(clock.nowMs(), random)}`,
        ...(identity === undefined ? {} : { tls: () => identity.tls }),
      },
      { ...listeners, clock, random, log },
    );
  const connection = (connect ?? dial)(
    {
      subscriptions: [presenceTopicFilter, blobUpTopicFilter],
      shared: { group: sharedGroup, subscriptions: [upTopicFilter] },
      inFlightMax,
    },
    {
      onMessage: receive,
      onConnection: (connected) => {
        if (connected) announce();
      },
    },
  );
  return {
    connected: connection.connected,
    firstConnected,
    onMessage(listener) {
      onMessage = listener;
    },
    onPresence(listener) {
      onPresence = listener;
    },
    send: (device, message) => connection.publish(topicsOf(device).down, message),
    close: connection.close,
    blobs: {
      onMessage(listener) {
        onChunk = listener;
      },
      send: (device, message) => connection.publish(topicsOf(device).blobDown, message),
    },
  };
}
