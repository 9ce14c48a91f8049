// Devices and a coordinator as processes, behind a real Mosquitto that knows them by certificate: everything over MQTT.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openAuthority, operatorCommands } from '@skerry/cloud-coordinator';
import { createCoordinatorFetch } from '@skerry/edge-agent';
import { createRandom, silentLog } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { topicsOf } from '@skerry/sync-protocol';
import { openMqttConnection } from '@skerry/sync-protocol/mqtt';
import { sampleBlob } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { inferDigit } from '../fleet/agent-client.ts';
import { linkOf, openCertifiedFleet, operatorToken } from '../fleet/certified-fleet.ts';
import type { SkerryProcess } from '../fleet/process.ts';
import { hasMosquitto } from '../net/mosquitto.ts';
import { startSecureMosquitto } from '../net/secure-mosquitto.ts';

const soon = { timeout: 15_000, interval: 50 };

async function fresh() {
  const { folder, dataDir, ...fleet } = await openCertifiedFleet(onTestFinished);
  const mosquittoDir = join(folder, 'mosquitto');
  const mosquitto = await startSecureMosquitto(dataDir, mosquittoDir);
  onTestFinished(mosquitto.kill);
  const coordinator = await fleet.startCoordinator({
    broker: mosquitto.url,
    'mosquitto-dir': mosquittoDir,
  });
  /** Enrols where it has a token; without one it has no way to the coordinator but MQTT. */
  const startAgent = async (name: string, token?: string, dataFolder?: string) => {
    const enrols = token && { 'coordinator-url': coordinator.httpUrl, 'join-token': token };
    const flags = { broker: mosquitto.url, ...(enrols || {}) };
    const agent = await fleet.startAgent(name, flags, dataFolder);
    await vi.waitFor(async () => expect(await linkOf(agent)).toBe('up'), soon);
    return agent;
  };
  const command = async (name: 'token' | 'revoke', ...flags: string[]): Promise<string> => {
    const done = await operatorCommands[name](['--data-dir', dataDir, ...flags]);
    if (!done.ok) throw new Error(done.error.message);
    return done.value;
  };
  /** A bare client with a device's certificate, as somebody has who copied the device's files. */
  const connectAs = async (device: string) => {
    const authority = await openAuthority(dataDir, Date.now());
    if (!authority.ok) throw new Error(authority.error.message);
    const tls = await authority.value.issueClient(device, Date.now());
    const connections: boolean[] = [];
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
        log: silentLog,
        onMessage() {},
        onConnection: (connected) => connections.push(connected),
      },
    );
    onTestFinished(connection.close);
    await vi.waitUntil(connection.connected, soon);
    return { ...connection, connections };
  };
  const patchTwin = async (device: string, patch: object): Promise<number> => {
    const authority = await openAuthority(dataDir, Date.now());
    if (!authority.ok) throw new Error(authority.error.message);
    const tls = await authority.value.issueClient('skerry:coordinator:0', Date.now());
    const operator = createCoordinatorFetch(() => tls);
    onTestFinished(operator.close);
    const url = new URL(`/v1/devices/${device}/twin`, coordinator.httpUrl);
    const headers = {
      'content-type': 'application/merge-patch+json',
      authorization: `Bearer ${operatorToken}`,
    };
    return (await operator.fetch(url, { method: 'PATCH', headers, body: JSON.stringify(patch) }))
      .status;
  };
  return { folder, startAgent, token: () => command('token'), command, connectAs, patchTwin };
}

async function move(
  agent: SkerryProcess,
  ref: object,
  direction: 'send' | 'fetch',
  end: object = { phase: 'done', wire: 'chunks' },
) {
  const ask = { method: 'POST', body: JSON.stringify({ ...ref, direction }) };
  expect((await fetch(`${agent.httpUrl}/v1/transfers`, ask)).status).toBe(202);
  await vi.waitFor(async () => {
    const { transfers } = (await (await fetch(`${agent.httpUrl}/v1/transfers`)).json()) as {
      transfers: object[];
    };
    expect(transfers).toContainEqual(expect.objectContaining({ direction, ...end }));
  }, soon);
}

describe.skipIf(!hasMosquitto())('over Mosquitto with certificates', () => {
  it('[IDN7] a device asks, is answered, and moves a blob both ways on its one connection', {
    timeout: 60_000,
  }, async () => {
    const { folder, startAgent, token } = await fresh();
    await (await startAgent('box', await token())).stop();
    const agent = await startAgent('box');
    const asked = { skerry_policy: 'cloud-only', skerry_deadline_ms: 5_000 };
    const answer = await inferDigit(agent.httpUrl, 'q1', new Uint8Array(784), asked);
    expect(answer.source).toBe('cloud');

    const { ref, data } = sampleBlob(1_000_000);
    const urlOn = (on: SkerryProcess) => `${on.httpUrl}/v1/blobs/${ref.digest}`;
    const put = { method: 'PUT', body: new Uint8Array(data) };
    expect((await fetch(urlOn(agent), put)).status).toBe(201);
    await move(agent, ref, 'send');
    await agent.stop();
    await rm(join(folder, 'box', 'blobs'), { recursive: true });

    const again = await startAgent('box');
    expect((await fetch(urlOn(again))).status).toBe(404);
    await move(again, ref, 'fetch');
    const arrived = await fetch(urlOn(again));
    expect(Buffer.from(await arrived.arrayBuffer()).equals(data)).toBe(true);
  });

  it('[BLA1] a blob that a device has put is for another as if it were not there, over both wires', {
    timeout: 60_000,
  }, async () => {
    const { startAgent, token, patchTwin } = await fresh();
    const owner = await startAgent('owner', await token());
    const { ref, data } = sampleBlob(100_000);
    const local = `${owner.httpUrl}/v1/blobs/${ref.digest}`;
    const put = { method: 'PUT', body: new Uint8Array(data) };
    expect((await fetch(local, put)).status).toBe(201);
    await move(owner, ref, 'send', { phase: 'done', wire: 'http' });
    const refused = { phase: 'failed', reason: expect.objectContaining({ code: 'not_found' }) };
    const thief = await startAgent('thief', await token());
    await move(thief, ref, 'fetch', { ...refused, wire: 'http' });
    await thief.stop();
    const again = await startAgent('thief');
    await move(again, ref, 'fetch', { ...refused, wire: 'chunks' });

    // What the operator addresses to it, it gets. [BLA6]
    expect(await patchTwin('thief', { desired: { model: ref } })).toBe(200);
    await move(again, ref, 'fetch');
  });

  it('[IDN5] a device is out as soon as it is revoked, without a restart: others notice nothing', {
    timeout: 60_000,
  }, async () => {
    const { startAgent, command, connectAs } = await fresh();
    const agent = await startAgent('lost', await command('token', '--device', 'lost'));
    const kept = await connectAs('kept');
    expect(await command('revoke', '--device', 'lost')).toContain('1 certificates');
    await vi.waitFor(async () => expect(await linkOf(agent)).not.toBe('up'), soon);
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // Some redials, on both wires.
    expect(await linkOf(agent)).not.toBe('up');
    expect(kept.connections).toEqual([true]);
    expect(await kept.publish(topicsOf('kept').up, Uint8Array.of(1))).toMatchObject({ ok: true });

    // A token that is bound to the name gives it to another machine. [IDN4]
    const token = await command('token', '--device', 'lost');
    await startAgent('lost', token, 'found');
    expect(kept.connections).toEqual([true]);
  });
});
