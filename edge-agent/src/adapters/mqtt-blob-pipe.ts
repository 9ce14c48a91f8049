// The device's pipe for blobs in chunks: an MQTT connection of its own, so that chunks never delay an Exchange.

import type { Clock, Log, Random } from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';
import { type DeviceTransport, topicsOf } from '@skerry/sync-protocol';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';

/** Each transfer awaits the broker's acknowledgement of each chunk. */
const inFlightMax = 16;

export function openMqttBlobPipe(
  {
    device,
    brokerUrl,
    tls,
  }: {
    readonly device: string;
    readonly brokerUrl: string;
    readonly tls?: (() => TlsMaterial | undefined) | undefined;
  },
  ports: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): DeviceTransport {
  const topics = topicsOf(device);
  let onMessage: (message: Uint8Array) => void = () => {};
  let onConnection: (connected: boolean) => void = () => {};
  const connection = openMqttConnection(
    {
      brokerUrl,
      clientId: `skerry-${device}-blob`,
      subscriptions: [topics.blobDown],
      inFlightMax,
      ...(tls === undefined ? {} : { tls }),
    },
    {
      ...ports,
      onMessage: (topic, payload) => {
        if (topic === topics.blobDown) onMessage(payload);
      },
      onConnection: (connected) => onConnection(connected),
    },
  );
  return {
    connected: connection.connected,
    send: (message) => connection.publish(topics.blobUp, message),
    onMessage(listener) {
      onMessage = listener;
    },
    onConnection(listener) {
      onConnection = listener;
    },
    close: connection.close,
  };
}
