// Both MQTT transports against each other, over the embedded broker, through a link that can be cut.

import { createMqttCoordinatorTransport, openEmbeddedBroker } from '@skerry/cloud-coordinator';
import { createMqttDeviceTransport } from '@skerry/edge-agent';
import { createRandom, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { transportContract } from '@skerry/sync-protocol/testing';
import { vi } from 'vitest';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const ports = { clock: systemClock, random: createRandom(1), log: silentLog };

transportContract('MQTT over the embedded broker', async () => {
  const broker = await openEmbeddedBroker(
    '127.0.0.1',
    0,
    { connectionsMax: 10, deliveriesMax: 100 },
    silentLog,
    () => {},
  );
  if (!broker.ok) throw new Error(broker.error.message);
  const { port } = new URL(broker.value.url);
  const proxy = await createTcpProxy({ host: '127.0.0.1', port: Number(port) });
  const coordinator = createMqttCoordinatorTransport(broker.value.url, 100, {
    ...ports,
    onDropped: () => {},
  });
  await coordinator.firstConnected;
  return {
    coordinator,
    async connect(device) {
      const brokerUrl = `mqtt://127.0.0.1:${proxy.port}`;
      const transport = createMqttDeviceTransport({ device, brokerUrl }, ports);
      await vi.waitUntil(transport.connected, { timeout: 5_000 });
      return transport;
    },
    cut: async () => proxy.set('cut'),
    heal: async () => proxy.set('pass'),
    async close() {
      await coordinator.close();
      await proxy.close();
      await broker.value.close();
    },
  };
});
