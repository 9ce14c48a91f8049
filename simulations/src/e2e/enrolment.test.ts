// A device's whole life with a coordinator behind TLS, as processes: token, enrolment, work, and revocation.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { operatorCommands } from '@skerry/cloud-coordinator';
import { sampleBlob } from '@skerry/sync-protocol/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { inferDigit } from '../fleet/agent-client.ts';
import { linkOf, openCertifiedFleet, operatorToken } from '../fleet/certified-fleet.ts';

const main = new URL('../../../cloud-coordinator/dist/main.js', import.meta.url).pathname;
const soon = { timeout: 15_000, interval: 50 };

async function fresh() {
  const { folder, dataDir, ...fleet } = await openCertifiedFleet(onTestFinished);
  /** As an operator types it. */
  const shipped = async (...argv: string[]) => {
    const run = promisify(execFile)(process.execPath, [main, ...argv, '--data-dir', dataDir]);
    return (await run).stdout.trim();
  };
  /** The same without a process of its own. */
  const command = async (name: 'token' | 'revoke', ...flags: string[]): Promise<string> => {
    const done = await operatorCommands[name](['--data-dir', dataDir, ...flags]);
    if (!done.ok) throw new Error(done.error.message);
    return done.value;
  };
  const coordinator = await fleet.startCoordinator({ 'mqtt-port': 0 });
  const startAgent = (name: string, token: string, broker = coordinator.mqttUrl) =>
    fleet.startAgent(name, {
      broker: broker ?? '',
      'coordinator-url': coordinator.httpUrl,
      'join-token': token,
    });
  return { folder, coordinator, shipped, command, startAgent };
}

it('[IDN5] a device enrols, works over TLS, and is out as soon as it is revoked', {
  timeout: 60_000,
}, async () => {
  const { shipped, startAgent, coordinator, folder } = await fresh();
  expect(coordinator.mqttUrl).toMatch(/^mqtts:/);
  expect(coordinator.httpUrl).toMatch(/^https:/);
  const agent = await startAgent('box-1', await shipped('token', '--device', 'box-1'));
  await vi.waitFor(async () => expect(await linkOf(agent)).toBe('up'), soon);
  const asked = { skerry_policy: 'cloud-only', skerry_deadline_ms: 5_000 };
  const answer = await inferDigit(agent.httpUrl, 'q1', new Uint8Array(784), asked);
  expect(answer.source).toBe('cloud');
  const { certificate, key } = JSON.parse(
    await readFile(join(folder, 'box-1', 'identity.json'), 'utf8'),
  );
  const asPeer = () => statusWith(coordinator.httpUrl, { cert: certificate, key });
  expect(await asPeer()).toBe(200);
  expect(await shipped('revoke', '--device', 'box-1')).toContain('1 certificates');
  await vi.waitFor(async () => expect(await linkOf(agent)).not.toBe('up'), soon);
  await vi.waitFor(async () => expect(await asPeer()).toBe('refused'), soon);
});

it('[IDN9] where MQTT is blocked a device works by the same certificate over HTTPS, until it is revoked', {
  timeout: 60_000,
}, async () => {
  const { command, startAgent } = await fresh();
  const nowhere = 'mqtts://127.0.0.1:1';
  const agent = await startAgent('box-1', await command('token', '--device', 'box-1'), nowhere);
  await vi.waitFor(async () => expect(await linkOf(agent)).toBe('up'), {
    ...soon,
    timeout: 30_000,
  });
  const asked = { skerry_policy: 'cloud-only', skerry_deadline_ms: 5_000 };
  const answer = await inferDigit(agent.httpUrl, 'q1', new Uint8Array(784), asked);
  expect(answer.source).toBe('cloud');
  const { ref, data } = sampleBlob(300_000);
  const local = `${agent.httpUrl}/v1/blobs/${ref.digest}`;
  expect((await fetch(local, { method: 'PUT', body: new Uint8Array(data) })).status).toBe(201);
  const ask = { method: 'POST', body: JSON.stringify({ ...ref, direction: 'send' }) };
  expect((await fetch(`${agent.httpUrl}/v1/transfers`, ask)).status).toBe(202);
  await vi.waitFor(async () => {
    const moved = await (await fetch(`${agent.httpUrl}/v1/transfers`)).json();
    expect(moved).toMatchObject({ transfers: [{ phase: 'done', wire: 'http' }] });
  }, soon);
  expect(await command('revoke', '--device', 'box-1')).toContain('1 certificates');
  await vi.waitFor(async () => expect(await linkOf(agent)).not.toBe('up'), soon);
});

it('[IDN3] a token for another authority is not given away', { timeout: 60_000 }, async () => {
  const { command, startAgent } = await fresh();
  const token = await command('token');
  const forged = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`;
  const agent = await startAgent('box-1', forged);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await linkOf(agent)).not.toBe('up');
  await agent.stop();
  // The secret was not spent: whoever has the right fingerprint uses it.
  const honest = await startAgent('box-2', token);
  await vi.waitFor(async () => expect(await linkOf(honest)).toBe('up'), soon);
});

it('[IDN10] over TLS the API asks for the operator’s token, of devices too', {
  timeout: 60_000,
}, async () => {
  const { command, startAgent, coordinator, folder } = await fresh();
  const agent = await startAgent('box-1', await command('token', '--device', 'box-1'));
  await vi.waitFor(async () => expect(await linkOf(agent)).toBe('up'), soon);
  const { certificate, key } = JSON.parse(
    await readFile(join(folder, 'box-1', 'identity.json'), 'utf8'),
  );
  const basic = Buffer.from(`operator:${operatorToken}`).toString('base64');
  for (const path of ['/', '/metrics', '/v1/devices', '/v1/fleet/policy', '/v2']) {
    const ask = (authorization?: string, identity = {}) =>
      statusWith(coordinator.httpUrl, identity, path, authorization);
    expect(await ask()).toBe(401);
    expect(await ask(undefined, { cert: certificate, key })).toBe(401);
    expect(await ask(`Bearer ${operatorToken}`)).toBe(200);
    expect(await ask(`Basic ${basic}`)).toBe(200);
  }
  expect(await statusWith(coordinator.httpUrl, {})).toBe(200);
});

function statusWith(
  url: string,
  identity: { cert?: string; key?: string },
  path = '/healthz',
  authorization?: string,
) {
  return new Promise<number | 'refused'>((resolve) => {
    const headers = authorization === undefined ? {} : { authorization };
    const options = { ...identity, headers, agent: false, rejectUnauthorized: false };
    const asked = request(new URL(path, url), options, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.on('error', () => resolve('refused'));
    asked.end();
  });
}
