// The device over MQTT: one connection, by the one client id that its certificate allows, with two pipes on it. Chunks
// of blobs come in rounds that are short in time, so that they never stand long before a Reply.

import type { Clock, Log, Random } from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';
import {
  type DeviceTransport,
  deviceClientId,
  presencePayload,
  topicsOf,
} from '@skerry/sync-protocol';
import type { ChunkPipe } from '@skerry/sync-protocol/blobs';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';

/** The session has one Exchange in flight, and each blob that moves one chunk, so this is ample. */
const inFlightMax = 16;

export interface MqttTransportConfig {
  readonly device: string;
  readonly brokerUrl: string;
  /** For a broker that knows devices by their certificates; none yet means: try later. */
  readonly tls?: (() => TlsMaterial | undefined) | undefined;
}

export interface MqttDeviceTransport extends DeviceTransport {
  readonly blobs: ChunkPipe;
}

export function createMqttDeviceTransport(
  { device, brokerUrl, tls }: MqttTransportConfig,
  ports: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): MqttDeviceTransport {
  const topics = topicsOf(device);
  let onMessage: (message: Uint8Array) => void = () => {};
  let onChunk: (message: Uint8Array) => void = () => {};
  let onConnection: (connected: boolean) => void = () => {};
  const connection = openMqttConnection(
    {
      brokerUrl,
      clientId: deviceClientId(device),
      subscriptions: [topics.down, topics.blobDown],
      ...(tls === undefined ? {} : { tls }),
      inFlightMax,
      presence: { topic: topics.presence, ...presencePayload },
    },
    {
      ...ports,
      onMessage(topic, payload) {
        if (topic === topics.down) onMessage(payload);
        else if (topic === topics.blobDown) onChunk(payload);
      },
      onConnection: (connected) => onConnection(connected),
    },
  );
  return {
    connected: connection.connected,
    send: (message) => connection.publish(topics.up, message),
    onMessage(listener) {
      onMessage = listener;
    },
    onConnection(listener) {
      onConnection = listener;
    },
    close: connection.close,
    blobs: {
      connected: connection.connected,
      send: (message) => connection.publish(topics.blobUp, message),
      onMessage(listener) {
        onChunk = listener;
      },
    },
  };
}
