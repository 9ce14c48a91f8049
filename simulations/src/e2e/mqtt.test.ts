// Both MQTT transports against each other, over the embedded broker, through a link that can be cut.

import { createMqttCoordinatorTransport, openEmbeddedBroker } from '@skerry/cloud-coordinator';
import { createMqttDeviceTransport } from '@skerry/edge-agent';
import { assert, createRandom, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { transportContract } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startSlowSubscriber } from '../net/slow-subscriber.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const ports = { clock: systemClock, random: createRandom(1), log: silentLog };

it('a subscriber that never reads is cut off, and delays nobody', { timeout: 30_000 }, async () => {
  const refused = vi.fn();
  const bounds = { connectionsMax: 10 };
  const broker = await openEmbeddedBroker('127.0.0.1', 0, bounds, silentLog, refused);
  assert(broker.ok, 'the broker opens');
  onTestFinished(broker.value.close);
  const { url, connect } = broker.value;
  const slow = startSlowSubscriber(Number(new URL(url).port), 1);
  onTestFinished(slow.close);
  const coordinator = createMqttCoordinatorTransport(url, 100, {
    ...ports,
    onDropped: () => {},
    connect,
  });
  onTestFinished(coordinator.close);
  const device = createMqttDeviceTransport({ device: 'box', brokerUrl: url }, ports);
  onTestFinished(device.close);
  await vi.waitUntil(device.connected, { timeout: 5_000 });
  const received: number[] = [];
  device.onMessage(([message]) => received.push(message ?? -1));
  // As long as it takes until its buffers are full, and then some.
  for (let i = 0; i < 256 && refused.mock.calls.length < 2; i++) {
    expect(await coordinator.send('box', Uint8Array.of(i))).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(received.at(-1)).toBe(i), { timeout: 5_000, interval: 5 });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(refused).toHaveBeenCalled();
  expect(slow.flooded()).toBeGreaterThan(0);
});

transportContract('MQTT over the embedded broker', async () => {
  const broker = await openEmbeddedBroker(
    '127.0.0.1',
    0,
    { connectionsMax: 10 },
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
