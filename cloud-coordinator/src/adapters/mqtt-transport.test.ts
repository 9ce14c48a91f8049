// The coordinator's pipe over the embedded broker. The device's end is a bare MQTT client: the agent's own transport is
// tested against this one in simulations.

import { assert, createRandom, err, failure, ok, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { type DeviceTransport, presencePayload, topicsOf } from '@skerry/sync-protocol';
import { transportContract } from '@skerry/sync-protocol/testing';
import { connectAsync, type MqttClient } from 'mqtt';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openEmbeddedBroker } from './embedded-broker.ts';
import { createMqttCoordinatorTransport, type OpenConnection } from './mqtt-transport.ts';

const soon = { timeout: 10_000, interval: 5 };

async function openBroker(port = 0, onRefused = () => {}) {
  const broker = await openEmbeddedBroker(
    '127.0.0.1',
    port,
    { connectionsMax: 100 },
    silentLog,
    onRefused,
  );
  assert(broker.ok, 'the broker opens');
  return broker.value;
}

function openTransport(url: string, onDropped = () => {}, connect?: OpenConnection) {
  const ports = { clock: systemClock, random: createRandom(1), log: silentLog, onDropped, connect };
  return createMqttCoordinatorTransport(url, 100, ports);
}

async function connectDevice(url: string, device: string): Promise<DeviceTransport> {
  const topics = topicsOf(device);
  let client: MqttClient | undefined;
  let online = false;
  let onMessage: (message: Uint8Array) => void = () => {};
  let onConnection: (connected: boolean) => void = () => {};
  const will = { topic: topics.presence, payload: Buffer.from('offline'), qos: 1, retain: false };
  client = await connectAsync(url, { will: { ...will, qos: 1 }, reconnectPeriod: 20 });
  const greet = async () => {
    await client?.subscribeAsync(topics.down, { qos: 1 });
    await client?.publishAsync(topics.presence, presencePayload.online, { qos: 1 });
    online = true;
  };
  await greet();
  client.on('connect', () => void greet().then(() => onConnection(true)));
  client.on('close', () => {
    if (online) onConnection(false);
    online = false;
  });
  client.on('message', (_topic, payload) => onMessage(payload));
  return {
    connected: () => online,
    onMessage: (listener) => {
      onMessage = listener;
    },
    onConnection: (listener) => {
      onConnection = listener;
    },
    async send(message) {
      if (!online) return err(failure('unavailable', 'not connected'));
      await client.publishAsync(topics.up, Buffer.from(message), { qos: 1 });
      return ok(undefined);
    },
    async close() {
      if (online) await client.publishAsync(topics.presence, presencePayload.offline, { qos: 1 });
      online = false;
      await client.endAsync(true);
    },
  };
}

transportContract('MQTT over the embedded broker', async () => {
  let broker = await openBroker();
  const { url } = broker;
  const coordinator = openTransport(url);
  await coordinator.firstConnected;
  return {
    coordinator,
    connect: (device) => connectDevice(url, device),
    cut: () => broker.close(),
    async heal() {
      broker = await openBroker(Number(new URL(url).port));
      await vi.waitFor(() => expect(coordinator.connected()).toBe(true), soon);
    },
    async close() {
      await coordinator.close();
      await broker.close();
    },
  };
});

transportContract('the embedded broker, without a socket', async () => {
  const open = async (port: number) => {
    const broker = await openBroker(port);
    return { broker, transport: openTransport(broker.url, () => {}, broker.connect) };
  };
  let { broker, transport } = await open(0);
  const { url } = broker;
  let listener: Parameters<typeof transport.onMessage>[0] = () => {};
  let onPresence: Parameters<typeof transport.onPresence>[0] = () => {};
  return {
    coordinator: {
      ...transport,
      onMessage(next) {
        listener = next;
        transport.onMessage(next);
      },
      onPresence(next) {
        onPresence = next;
        transport.onPresence(next);
      },
      send: (device, message) => transport.send(device, message),
      close: () => transport.close(),
    },
    connect: (device) => connectDevice(url, device),
    cut: () => broker.close(),
    async heal() {
      ({ broker, transport } = await open(Number(new URL(url).port)));
      transport.onMessage(listener);
      transport.onPresence(onPresence);
    },
    async close() {
      await transport.close();
      await broker.close();
    },
  };
});

describe('the embedded broker', () => {
  const fresh = async () => {
    const refused = vi.fn();
    const dropped = vi.fn();
    const broker = await openBroker(0, refused);
    onTestFinished(() => broker.close());
    const transport = openTransport(broker.url, dropped);
    onTestFinished(() => transport.close());
    await transport.firstConnected;
    const received: string[] = [];
    transport.onMessage((device) => received.push(device));
    const connect = async (options = {}) => {
      const client = await connectAsync(broker.url, { reconnectPeriod: 0, ...options });
      onTestFinished(() => client.endAsync(true));
      client.on('error', () => {});
      return client;
    };
    return { broker, refused, dropped, received, connect };
  };

  it('cuts off whoever publishes elsewhere, too much, or to be retained, and serves the others', async () => {
    const { refused, received, connect } = await fresh();
    const bad: [string, Buffer, boolean][] = [
      ['elsewhere', Buffer.from('x'), false],
      ['skerry/v1/device-1/up', Buffer.alloc(100_001), false],
      ['skerry/v1/device-1/up', Buffer.alloc(1_000_000), false],
      ['skerry/v1/device-1/up', Buffer.from('x'), true],
    ];
    for (const [topic, payload, retain] of bad) {
      const client = await connect();
      const closed = new Promise<void>((resolve) => client.once('close', resolve));
      client.publish(topic, payload, { qos: 0, retain });
      await closed;
    }
    expect(refused).toHaveBeenCalledTimes(bad.length);
    const good = await connect();
    await good.publishAsync('skerry/v1/device-2/up', 'hello', { qos: 1 });
    await vi.waitFor(() => expect(received).toEqual(['device-2']), soon);
  });

  it('takes no session that would outlive its connection', async () => {
    const { connect, refused } = await fresh();
    await expect(connect({ clean: false, clientId: 'keeps' })).rejects.toThrow();
    expect(refused).toHaveBeenCalledOnce();
  });

  it('drops a presence that says neither word, and counts it', async () => {
    const { connect, dropped } = await fresh();
    const client = await connect();
    await client.publishAsync('skerry/v1/device-1/presence', 'perhaps', { qos: 1 });
    await vi.waitFor(() => expect(dropped).toHaveBeenCalledWith('malformed_message'), soon);
  });

  it('takes a burst, though each message of it is answered at once', async () => {
    const broker = await openBroker();
    onTestFinished(() => broker.close());
    const transport = openTransport(broker.url, () => {}, broker.connect);
    onTestFinished(() => transport.close());
    let received = 0;
    transport.onMessage((device) => {
      received += 1;
      void transport.send(device, Uint8Array.of(1));
    });
    const client = await connectAsync(broker.url, { reconnectPeriod: 0 });
    onTestFinished(() => client.endAsync(true));
    await client.subscribeAsync(topicsOf('box').down);
    const messages = 5_000;
    for (let i = 0; i < messages; i++) client.publish(topicsOf('box').up, 'x', { qos: 0 });
    await vi.waitFor(() => expect(received).toBe(messages), soon);
  });

  it('says so when its port is taken', async () => {
    const { broker } = await fresh();
    const port = Number(new URL(broker.url).port);
    const second = await openEmbeddedBroker(
      '127.0.0.1',
      port,
      { connectionsMax: 1 },
      silentLog,
      () => {},
    );
    expect(second).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  });
});
