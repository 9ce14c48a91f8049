// Whom the brokers let in, and where: certificates of the coordinator's authority, over the embedded broker and over a
// real Mosquitto with the configuration that the project makes for it.

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  instanceName,
  openAuthority,
  openEmbeddedBroker,
  type X509Authority,
} from '@skerry/cloud-coordinator';
import { createRandom, silentLog } from '@skerry/shared';
import { systemClock, type TlsMaterial } from '@skerry/shared/node';
import { topicsOf } from '@skerry/sync-protocol';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { hasMosquitto } from '../net/mosquitto.ts';
import { startSecureMosquitto } from '../net/secure-mosquitto.ts';

const soon = { timeout: 10_000, interval: 10 };
const folder = mkdtempSync(join(tmpdir(), 'skerry-identity-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let authority: X509Authority;
const refusedSerials = new Set<string>();
beforeAll(async () => {
  const opened = await openAuthority(folder, Date.now());
  if (!opened.ok) throw new Error(opened.error.message);
  authority = opened.value;
});

interface SecureBroker {
  readonly url: string;
  /** Whether a client that goes too far is cut off; else it is silently not served. */
  readonly cutsOff: boolean;
  close(): Promise<void>;
}

async function openAedes(): Promise<SecureBroker> {
  const tls = await authority.issueServer(['127.0.0.1'], Date.now());
  const isRefused = ({ serial }: { serial: string }) => refusedSerials.has(serial);
  const broker = await openEmbeddedBroker(
    '127.0.0.1',
    0,
    { connectionsMax: 20 },
    silentLog,
    () => {},
    { tls, isRefused },
  );
  if (!broker.ok) throw new Error(broker.error.message);
  return { url: broker.value.url, cutsOff: true, close: broker.value.close };
}

async function openMosquitto(): Promise<SecureBroker> {
  const { url, kill } = await startSecureMosquitto(folder, join(folder, 'mosquitto'));
  return { url, cutsOff: false, close: kill };
}

function client(url: string, tls: TlsMaterial, clientId: string, subscriptions: string[] = []) {
  const received: string[] = [];
  const connections: boolean[] = [];
  const connection = openMqttConnection(
    { brokerUrl: url, clientId, subscriptions, inFlightMax: 10, tls: () => tls },
    {
      clock: systemClock,
      random: createRandom(1),
      log: silentLog,
      onMessage: (topic, payload) => received.push(`${topic} ${new TextDecoder().decode(payload)}`),
      onConnection: (connected) => connections.push(connected),
    },
  );
  onTestFinished(() => connection.close());
  return { ...connection, received, connections };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const brokers = [
  { name: 'the embedded broker', open: openAedes, missing: false },
  { name: 'Mosquitto', open: openMosquitto, missing: !hasMosquitto() },
];

describe.each(brokers)('over $name', ({ open, missing }) => {
  const victim = topicsOf('victim');
  const fresh = async () => {
    const broker = await open();
    onTestFinished(broker.close);
    const nowMs = Date.now();
    const device = async (
      name: string,
      clientId = `skerry-${name}`,
      subscriptions = [topicsOf(name).down],
    ) => client(broker.url, await authority.issueClient(name, nowMs), clientId, subscriptions);
    const coordinator = client(
      broker.url,
      await authority.issueClient(instanceName(0), nowMs),
      `${instanceName(0)}-1`,
      ['skerry/v1/+/up', 'skerry/v1/+/presence'],
    );
    const honest = await device('victim', undefined, [victim.down]);
    await vi.waitUntil(() => coordinator.connected() && honest.connected(), soon);
    return { broker, device, coordinator, honest };
  };

  it.skipIf(missing)('[IDN7] a device speaks on its own topics, both ways', async () => {
    const { coordinator, honest } = await fresh();
    await honest.publish(victim.up, bytes('hello'));
    await vi.waitFor(() => expect(coordinator.received).toEqual([`${victim.up} hello`]), soon);
    await coordinator.publish(victim.down, bytes('welcome'));
    await vi.waitFor(() => expect(honest.received).toEqual([`${victim.down} welcome`]), soon);
  });

  it
    .skipIf(missing)
    .each([
      victim.up,
      victim.presence,
      victim.down,
      topicsOf('hostile').down,
      'skerry/v1/hostile/other',
      '$SYS/broker/clients/total',
    ])('[IDN7] a hostile device with a certificate cannot publish to %s', async (topic) => {
    const { broker, device, coordinator, honest } = await fresh();
    const hostile = await device('hostile');
    await vi.waitUntil(hostile.connected, soon);
    await hostile.publish(topic, bytes('forged'));
    if (broker.cutsOff) await vi.waitFor(() => expect(hostile.connections).toContain(false), soon);
    // What comes later on the same pipes came, so what was forged never will.
    await honest.publish(victim.up, bytes('true'));
    await coordinator.publish(victim.down, bytes('true'));
    await vi.waitFor(() => expect(coordinator.received).toEqual([`${victim.up} true`]), soon);
    await vi.waitFor(() => expect(honest.received).toEqual([`${victim.down} true`]), soon);
  });

  it.skipIf(missing).each([victim.down, victim.up, '#', 'skerry/#', 'skerry/v1/+/down', '+/+/+/+'])(
    '[IDN7] nor read by subscribing to %s',
    async (filter) => {
      const { broker, device, coordinator, honest } = await fresh();
      const hostile = await device('hostile', undefined, [filter]);
      if (!broker.cutsOff) await vi.waitUntil(hostile.connected, soon);
      await coordinator.publish(victim.down, bytes('private'));
      await honest.publish(victim.up, bytes('private'));
      await vi.waitFor(() => expect(honest.received).toHaveLength(1), soon);
      await vi.waitFor(() => expect(coordinator.received).toHaveLength(1), soon);
      expect(hostile.received.filter((message) => message.includes('private'))).toEqual([]);
      if (broker.cutsOff) expect(hostile.connected()).toBe(false);
    },
  );

  it.skipIf(missing)("[IDN7] nor take another's client id", async () => {
    const { broker, device, coordinator, honest } = await fresh();
    const hostile = await device('hostile', 'skerry-victim');
    if (!broker.cutsOff) await vi.waitUntil(hostile.connected, soon);
    await honest.publish(victim.up, bytes('still here'));
    await vi.waitFor(() => expect(coordinator.received).toHaveLength(1), soon);
    expect(honest.connections).toEqual([true]);
  });

  it.skipIf(missing)('[IDN7] a certificate of another authority opens nothing', async () => {
    const { broker } = await fresh();
    const other = await openAuthority(join(folder, 'other'), Date.now());
    if (!other.ok) throw new Error(other.error.message);
    const forged = await other.value.issueClient('victim', Date.now());
    const hostile = client(broker.url, { ...forged, ca: authority.certificate }, 'skerry-victim');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(hostile.connections).toEqual([]);
  });
});

it('[IDN2] the keys are for their owner alone', () => {
  expect(statSync(join(folder, 'authority.pem')).mode & 0o777).toBe(0o600);
  expect(new X509Certificate(authority.certificate).ca).toBe(true);
  const shown = readFileSync(join(folder, 'authority.crt'), 'utf8');
  expect(shown).not.toContain('PRIVATE KEY');
  expect(new X509Certificate(shown).raw).toEqual(new X509Certificate(authority.certificate).raw);
});
