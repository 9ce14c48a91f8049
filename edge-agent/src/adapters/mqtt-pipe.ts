// One MQTT connection as a pipe of this device: what it sends goes to one topic, what it hears comes from another.

import type { DeviceTransport } from '@skerry/sync-protocol';
import {
  type MqttConnectionConfig,
  type MqttConnectionPorts,
  openMqttConnection,
} from '@skerry/sync-protocol/mqtt';

export function openMqttPipe(
  topics: { readonly up: string; readonly down: string },
  config: Omit<MqttConnectionConfig, 'subscriptions'>,
  ports: Pick<MqttConnectionPorts, 'clock' | 'random' | 'log'>,
): DeviceTransport {
  let onMessage: (message: Uint8Array) => void = () => {};
  let onConnection: (connected: boolean) => void = () => {};
  const connection = openMqttConnection(
    { ...config, subscriptions: [topics.down] },
    {
      ...ports,
      onMessage: (topic, payload) => {
        if (topic === topics.down) onMessage(payload);
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
  };
}
