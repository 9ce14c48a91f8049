// The device's pipe over MQTT.

import type { Clock, Log, Random } from '@skerry/shared';
import type { TlsMaterial } from '@skerry/shared/node';
import {
  type DeviceTransport,
  deviceClientId,
  presencePayload,
  topicsOf,
} from '@skerry/sync-protocol';
import { openMqttPipe } from './mqtt-pipe.ts';

/** The session has one Exchange in flight, so this is ample. */
const inFlightMax = 8;

export interface MqttTransportConfig {
  readonly device: string;
  readonly brokerUrl: string;
  /** For a broker that knows devices by their certificates; none yet means: try later. */
  readonly tls?: (() => TlsMaterial | undefined) | undefined;
}

export function createMqttDeviceTransport(
  { device, brokerUrl, tls }: MqttTransportConfig,
  ports: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): DeviceTransport {
  const topics = topicsOf(device);
  return openMqttPipe(
    topics,
    {
      brokerUrl,
      clientId: deviceClientId(device),
      ...(tls === undefined ? {} : { tls }),
      inFlightMax,
      presence: { topic: topics.presence, ...presencePayload },
    },
    ports,
  );
}
