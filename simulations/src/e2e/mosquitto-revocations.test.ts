// Revocations at a real Mosquitto, when something goes wrong on the way: a crash, a broker that cannot be reached, a list
// that has expired.

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createMosquittoRevocations,
  type MosquittoRevocationsPorts,
  openAuthority,
} from '@skerry/cloud-coordinator';
import { type Clock, createRandom, type LogFields, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { topicsOf } from '@skerry/sync-protocol';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { hasMosquitto } from '../net/mosquitto.ts';
import { startSecureMosquitto } from '../net/secure-mosquitto.ts';
import { createTcpProxy } from '../net/tcp-proxy.ts';

const soon = { timeout: 15_000, interval: 50 };
const dayMs = 86_400_000;

/** The waits of production, shorter. */
const hasten = (clock: Clock, factor: number): Clock => ({
  nowMs: clock.nowMs,
  monotonicMs: () => clock.monotonicMs() * factor,
  after: (delayMs, action) => clock.after(delayMs / factor, action),
});

async function fresh() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-revocations-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const dataDir = join(folder, 'coordinator');
  const mosquittoDir = join(folder, 'mosquitto');
  const mosquitto = await startSecureMosquitto(dataDir, mosquittoDir);
  onTestFinished(mosquitto.kill);
  const opened = await openAuthority(dataDir, Date.now());
  if (!opened.ok) throw new Error(opened.error.message);
  const authority = opened.value;
  /** A device that connects, past any proxy. */
  const open = async (device: string) => {
    const tls = await authority.issueClient(device, Date.now());
    const connections: boolean[] = [];
    const refusals: unknown[] = [];
    const hear = (fields: LogFields) => refusals.push(fields['reason']);
    const connection = openMqttConnection(
      {
        brokerUrl: mosquitto.url,
        clientId: device,
        subscriptions: [topicsOf(device).down],
        inFlightMax: 1,
        tls: () => tls,
      },
      {
        clock: systemClock,
        random: createRandom(1),
        log: { ...silentLog, debug: hear, warn: hear },
        onMessage() {},
        onConnection: (connected) => connections.push(connected),
      },
    );
    onTestFinished(connection.close);
    const serial = new X509Certificate(tls.cert).serialNumber.toLowerCase();
    const revoked = { serial, device, revokedMs: Date.now() };
    return { ...connection, connections, refusals, revoked };
  };
  const connect = async (device: string) => {
    const opened = await open(device);
    await vi.waitUntil(opened.connected, soon);
    return opened;
  };
  const errors: string[] = [];
  /** As a coordinator's start makes it. */
  const start = (ports: Partial<MosquittoRevocationsPorts> = {}, brokerUrl = mosquitto.url) =>
    createMosquittoRevocations(
      { folder: mosquittoDir, brokerUrl },
      {
        authority,
        clock: hasten(systemClock, 5),
        random: createRandom(1),
        log: { ...silentLog, error: (fields) => errors.push(String(fields['reason'])) },
        ...ports,
      },
    );
  return { authority, mosquitto, mosquittoDir, open, connect, start, errors };
}

describe.skipIf(!hasMosquitto())('revocations at Mosquitto', () => {
  it('[IDN11] what ended between the list and the connection is done by the next start, once', {
    timeout: 30_000,
  }, async () => {
    const { authority, connect, start } = await fresh();
    const lost = await connect('lost');
    const kept = await connect('kept');
    const revoked = [lost.revoked];
    const issueClient = vi.fn(authority.issueClient);
    const ends = vi.fn(() => Promise.reject(new Error('the process ends')));
    await start({ authority: { ...authority, issueClient: ends } })(revoked);
    expect(ends).toHaveBeenCalled();
    expect(lost.connections).toEqual([true]);

    await start({ authority: { ...authority, issueClient } })(revoked);
    await vi.waitFor(() => expect(lost.connections).toEqual([true, false]), soon);
    expect(kept.connections).toEqual([true]);
    await start({ authority: { ...authority, issueClient } })(revoked);
    expect(issueClient).toHaveBeenCalledTimes(1);
  });

  it('[IDN16] a Mosquitto that refuses everybody, for its list has expired, is mended without a restart', {
    timeout: 30_000,
  }, async () => {
    const { authority, mosquittoDir, open, connect, start } = await fresh();
    const expired = await authority.revocationList([], Date.now() - 400 * dayMs);
    writeFileSync(join(mosquittoDir, 'revoked.pem'), expired);
    process.kill(Number(readFileSync(join(mosquittoDir, 'mosquitto.pid'), 'utf8')), 'SIGHUP');
    await vi.waitFor(async () => {
      const refused = await open('refused');
      await vi.waitUntil(() => refused.connections.length + refused.refusals.length > 0, soon);
      await refused.close();
      expect(refused.connections).toEqual([]);
    }, soon);
    await start()([]);
    await connect('device');
  });

  it('[IDN11] whose place could not be taken is tried again, with the reason in the log', {
    timeout: 30_000,
  }, async () => {
    const { mosquitto, connect, start, errors } = await fresh();
    const proxy = await createTcpProxy({ host: '127.0.0.1', port: mosquitto.port });
    onTestFinished(proxy.close);
    const tell = start({}, `mqtts://127.0.0.1:${proxy.port}`);
    const lost = await connect('lost');
    proxy.set('cut');
    await tell([lost.revoked]);
    expect(lost.connections).toEqual([true]);
    expect(errors).toEqual([expect.stringMatching(/ECONN|closed|disconnected/)]);
    proxy.set('pass');
    await vi.waitFor(async () => {
      await tell([lost.revoked]);
      expect(lost.connections).toEqual([true, false]);
    }, soon);
  });
});
