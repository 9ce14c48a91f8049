// An update of real digits, between real processes: a coordinator that publishes a signed repository and holds the blobs,
// an agent that is told by its director what to run. The agent is killed with SIGKILL at moments that a seed chooses; an
// app asks all the while.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deltaForms } from '@skerry/models/node';
import { createRandom } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { inferDigit } from '../fleet/agent-client.ts';
import { digits, newVersion, openSignedUpdates } from '../fleet/signed-updates.ts';

const patience = { timeout: 30_000, interval: 50 };
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const pixels = new Uint8Array(784);

async function world() {
  const updates = await openSignedUpdates(onTestFinished);
  return {
    ...updates,
    startAgent: (overHttp = true) =>
      updates.startDevice(
        'device-1',
        overHttp ? { 'coordinator-url': updates.coordinator.httpUrl } : {},
      ),
    agent: () => updates.device('device-1'),
  };
}

it('digits 1.1.0 comes, is confirmed, and goes back without a byte; nobody is left without an answer', {
  timeout: 90_000,
}, async () => {
  const { folder, startAgent, publish, assign, told, agent, coordinator } = await world();
  const [old, next] = [await publish(digits), await publish(await newVersion(folder, '1.1.0'))];
  await startAgent();
  let failures = 0;
  let asking = true;
  const app = (async () => {
    for (let i = 0; asking; i++) {
      await inferDigit(agent().httpUrl, `q${i}`, pixels).catch(() => {
        failures += 1;
      });
      await sleep(5);
    }
  })();
  await assign(1, next);
  await vi.waitFor(async () => expect((await told()).update.state).toBe('confirmed'), patience);
  expect((await told()).running).toMatchObject({ bundle: next.bundle?.digest, version: '1.1.0' });
  const models = await (await fetch(`${agent().httpUrl}/v2/models/digits`)).json();
  expect(models).toMatchObject({ versions: ['1.1.0'] });
  expect((await told()).reports.map(({ report }) => report.state)).toEqual([
    'assigned',
    'fetching',
    'verified',
    'staged',
    'activating',
    'soaking',
    'confirmed',
  ]);
  // The heartbeat tells what runs, and which deltas are read.
  await vi.waitFor(async () => {
    const devices = await (await fetch(`${coordinator.httpUrl}/v1/devices`)).text();
    expect(devices).toContain(next.bundle?.digest);
    expect(devices).toContain(JSON.stringify(deltaForms));
  }, patience);
  await assign(2, old);
  await vi.waitFor(async () => expect((await told()).running.version).toBe('1.0.0'), patience);
  await vi.waitFor(async () => expect((await told()).update.state).toBe('confirmed'), patience);
  const transfers = (await (await fetch(`${agent().httpUrl}/v1/transfers`)).json()) as {
    transfers: { digest: string }[];
  };
  expect(transfers.transfers.map(({ digest }) => digest)).not.toContain(old.bundle?.digest);
  // What the cloud says of a question is told of the bundle that asked.
  const asked = { skerry_policy: 'cloud-only', skerry_deadline_ms: 5_000 };
  await inferDigit(agent().httpUrl, 'cloud', pixels, asked);
  const health = (await told()).health[old.bundle?.digest ?? ''];
  expect(health?.escalated).toBeGreaterThan(0);
  expect(health?.cloud.answers).toBeGreaterThan(0);
  asking = false;
  await app;
  expect(failures).toBe(0);
});

it('[UPD16] killed again and again, a model answers after each start, and the update ends: a candidate that four kills have met is left', {
  timeout: 120_000,
}, async () => {
  const { folder, startAgent, publish, assign, told, agent } = await world();
  const next = await publish(await newVersion(folder, '1.1.0'));
  await startAgent();
  await assign(1, next);
  const random = createRandom(11);
  for (let kills = 0; kills < 5; kills++) {
    await sleep(random.below(400));
    await agent().kill();
    await startAgent();
    const answer = await inferDigit(agent().httpUrl, `k${kills}`, pixels);
    expect(answer.label).toMatch(/^\d$/);
  }
  const ends = [
    { update: { state: 'confirmed' }, running: { version: '1.1.0' } },
    { update: { state: 'quarantined' }, running: { version: '1.0.0' } },
  ];
  await vi.waitFor(async () => {
    await inferDigit(agent().httpUrl, 'q', pixels);
    const now = await told();
    expect(ends.find(({ update }) => update.state === now.update?.state)).toBeDefined();
    expect(now).toMatchObject(ends.find(({ update }) => update.state === now.update?.state) ?? {});
  }, patience);
});

it('a bundle that only the director names is refused, and what runs goes on', {
  timeout: 60_000,
}, async () => {
  const { folder, startAgent, publish, assign, told, agent } = await world();
  const signed = await publish(digits);
  const forged = await newVersion(folder, '6.6.6');
  const bytes = await readFile(join(forged, 'manifest.json'));
  const bundle = { digest: sha256(bytes), bytes: bytes.length };
  await startAgent();
  await assign(1, { ...signed, version: '6.6.6', target: 'digits/6.6.6/manifest.json', bundle });
  await vi.waitFor(
    async () =>
      expect(await told()).toMatchObject({
        update: { state: 'refused' },
        reason: { code: 'untrusted' },
        running: { version: '1.0.0' },
      }),
    patience,
  );
  expect((await inferDigit(agent().httpUrl, 'q', pixels)).label).toMatch(/^\d$/);
});

it('over MQTT alone: metadata comes in one file that the assignment names, and the bundle in chunks', {
  timeout: 60_000,
}, async () => {
  const { folder, startAgent, publish, pack, assign, told, agent } = await world();
  const next = await publish(await newVersion(folder, '1.1.0'));
  await startAgent(false);
  await assign(1, next, { metadata: await pack() });
  await vi.waitFor(async () => {
    await inferDigit(agent().httpUrl, 'q', pixels);
    expect(await told()).toMatchObject({
      update: { state: 'confirmed' },
      running: { version: '1.1.0' },
    });
  }, patience);
});
