// The device's pipe for blobs in chunks: an MQTT connection of its own, so that chunks never delay an Exchange.

import type { Clock, Log, Random } from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';
import { type DeviceTransport, topicsOf } from '@skerry/sync-protocol';
import { openMqttPipe } from './mqtt-pipe.ts';

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
  return openMqttPipe(
    { up: topics.blobUp, down: topics.blobDown },
    {
      brokerUrl,
      clientId: `skerry-${device}-blob`,
      inFlightMax,
      ...(tls === undefined ? {} : { tls }),
    },
    ports,
  );
}
