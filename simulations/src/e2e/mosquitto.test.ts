// Both MQTT transports over a real Mosquitto, which speaks MQTT 5: the pipe's contract, a broker that is killed and
// forgets, and what 5 adds.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMqttCoordinatorTransport } from '@skerry/cloud-coordinator';
import { createMqttDeviceTransport } from '@skerry/edge-agent';
import { createRandom, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';
import { transportContract } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort, hasMosquitto, startMosquitto } from '../net/mosquitto.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const ports = { clock: systemClock, random: createRandom(1), log: silentLog };
const soon = { timeout: 10_000, interval: 10 };

async function openBroker() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-mosquitto-'));
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
  let mosquitto = await startMosquitto(config, port);
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    async restart() {
      await mosquitto.kill();
      mosquitto = await startMosquitto(config, port);
    },
    async close() {
      await mosquitto.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

const openCoordinator = (url: string) =>
  createMqttCoordinatorTransport(url, 100, { ...ports, onDropped: () => {} });

describe.skipIf(!hasMosquitto())('Mosquitto', () => {
  transportContract('MQTT over Mosquitto', async () => {
    const broker = await openBroker();
    const proxy = await createTcpProxy({ host: '127.0.0.1', port: broker.port });
    const coordinator = openCoordinator(broker.url);
    await coordinator.firstConnected;
    return {
      coordinator,
      async connect(device) {
        const brokerUrl = `mqtt://127.0.0.1:${proxy.port}`;
        const transport = createMqttDeviceTransport({ device, brokerUrl }, ports);
        await vi.waitUntil(transport.connected, soon);
        return transport;
      },
      cut: async () => proxy.set('cut'),
      heal: async () => proxy.set('pass'),
      async close() {
        await coordinator.close();
        await proxy.close();
        await broker.close();
      },
    };
  });

  const fresh = async (coordinators: number) => {
    const broker = await openBroker();
    onTestFinished(broker.close);
    const received: string[][] = [];
    for (let i = 0; i < coordinators; i++) {
      const transport = openCoordinator(broker.url);
      onTestFinished(transport.close);
      const messages: string[] = [];
      received.push(messages);
      transport.onMessage((_device, [message]) => messages.push(String(message)));
      await transport.firstConnected;
    }
    const device = createMqttDeviceTransport({ device: 'box', brokerUrl: broker.url }, ports);
    onTestFinished(device.close);
    await vi.waitUntil(device.connected, soon);
    return { broker, device, received };
  };

  it('[PIP6] of two coordinators each message reaches one', async () => {
    const { device, received } = await fresh(2);
    for (let i = 0; i < 40; i++)
      expect(await device.send(Uint8Array.of(i))).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(received.flat()).toHaveLength(40), soon);
    expect(new Set(received.flat()).size).toBe(40);
    for (const share of received) expect(share.length).toBeGreaterThan(0);
  });

  it('[PIP4] a broker that was killed and forgot everything carries again', async () => {
    const { broker, device, received } = await fresh(1);
    for (let i = 0; i < 2; i++) {
      await broker.restart();
      await vi.waitFor(async () => {
        expect(await device.send(Uint8Array.of(i))).toMatchObject({ ok: true });
        expect(received.flat()).toContain(String(i));
      }, soon);
    }
  });

  it('[PIP7] the trace of a message travels beside it', async () => {
    const broker = await openBroker();
    onTestFinished(broker.close);
    const traces: (string | undefined)[] = [];
    const connection = openMqttConnection(
      { brokerUrl: broker.url, clientId: 'one', subscriptions: ['t'], inFlightMax: 2 },
      { ...ports, onMessage: (_t, _p, trace) => traces.push(trace), onConnection: () => {} },
    );
    onTestFinished(connection.close);
    await vi.waitUntil(connection.connected, soon);
    expect(connection.protocolVersion()).toBe(5);
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await connection.publish('t', Uint8Array.of(1), trace);
    await connection.publish('t', Uint8Array.of(2));
    await vi.waitFor(() => expect(traces).toEqual([trace, undefined]), soon);
  });
});
