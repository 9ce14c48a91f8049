// An update of real digits, between real processes: a coordinator that publishes a signed repository and holds the blobs,
// an agent that is told by its director what to run. The agent is killed with SIGKILL at moments that a seed chooses; an
// app asks all the while.

import { createPrivateKey } from 'node:crypto';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSqlCoordinatorStore, openSqlite } from '@skerry/cloud-coordinator';
import { runTrustCommand } from '@skerry/cloud-coordinator/trust';
import { manifestSchema } from '@skerry/models';
import { variantDigest, zooDirectory } from '@skerry/models/node';
import { createRandom } from '@skerry/shared';
import { createKeySigner, sha256, signEnvelope } from '@skerry/shared/node';
import { sampleAssignment, sampleModelAssignment } from '@skerry/sync-protocol/testing';
import {
  type Assignment,
  assignmentPayloadType,
  type Health,
  type ModelAssignment,
} from '@skerry/sync-protocol/update';
import { expect, it, onTestFinished, vi } from 'vitest';
import { inferDigit } from '../fleet/agent-client.ts';
import { type SkerryProcess, startProcess } from '../fleet/process.ts';

const patience = { timeout: 30_000, interval: 50 };
const digits = join(zooDirectory, 'digits');
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const pixels = new Uint8Array(784);

interface Told {
  readonly update: { readonly state: string; readonly waiting?: string };
  readonly running: { readonly bundle: string; readonly version: string };
  readonly reason?: { readonly code: string };
  readonly health: Readonly<Record<string, Health>>;
  readonly reports: readonly { readonly report: { readonly state: string } }[];
}

async function must<T>(
  result: Promise<{ ok: true; value: T } | { ok: false; error: { message: string } }>,
): Promise<T> {
  const done = await result;
  if (!done.ok) throw new Error(done.error.message);
  return done.value;
}

/** Digits by another version, whose files differ in a comment: other bytes, the same answers. */
async function newVersion(folder: string, version: string): Promise<string> {
  const at = join(folder, `digits-${version}`);
  await cp(digits, at, { recursive: true });
  const manifest = manifestSchema.parse(
    JSON.parse(await readFile(join(at, 'manifest.json'), 'utf8')),
  );
  manifest.version = version;
  const done = new Set<string>();
  for (const variant of manifest.variants) {
    for (const file of Object.values(variant.files)) {
      const path = join(at, file.path);
      // ModelProto's doc_string, again: the last one counts, and nobody reads it.
      const comment = new TextEncoder().encode(version);
      if (!done.has(path)) await appendFile(path, Uint8Array.of(0x32, comment.length, ...comment));
      done.add(path);
      const bytes = await readFile(path);
      Object.assign(file, { bytes: bytes.length, sha256: sha256(bytes) });
    }
    variant.digest = variantDigest(manifest.stages, variant.files);
    variant.calibration.variant = variant.digest;
  }
  await writeFile(join(at, 'manifest.json'), JSON.stringify(manifest));
  return at;
}

async function world() {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-update-'));
  const dataDir = join(folder, 'coordinator');
  const processes: Record<string, SkerryProcess> = {};
  onTestFinished(async () => {
    for (const process of Object.values(processes)) await process.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const tuf = (...argv: string[]) => must(runTrustCommand([...argv, '--data-dir', dataDir]));
  const key = (name: string): string => join(dataDir, 'tuf', name);
  await tuf('init');
  const coordinator = await startProcess('coordinator', 'coordinator', {
    'data-dir': dataDir,
    'http-port': 0,
    'mqtt-port': 0,
    'next-exchange-ms': 1_000,
  });
  processes['coordinator'] = coordinator;
  const root = join(folder, 'root.json');
  const served = await fetch(`${coordinator.httpUrl}/v1/tuf/metadata/1.root.json`);
  await writeFile(root, Buffer.from(await served.arrayBuffer()));
  const startAgent = async (overHttp = true): Promise<SkerryProcess> => {
    const port = processes['agent'] ? Number(new URL(processes['agent'].httpUrl).port) : 0;
    const agent = await startProcess('agent', 'agent', {
      'data-dir': join(folder, 'agent'),
      broker: coordinator.mqttUrl ?? '',
      ...(overHttp ? { 'coordinator-url': coordinator.httpUrl } : {}),
      'http-port': port,
      'update-root': root,
      'status-interval-ms': 200,
    });
    processes['agent'] = agent;
    return agent;
  };
  const pem = await readFile(key('keys/director.pem'), 'utf8');
  const director = createKeySigner(createPrivateKey(pem));
  if (!director.ok) throw new Error(director.error.message);
  const database = await must(openSqlite(join(dataDir, 'coordinator.sqlite')));
  onTestFinished(() => database.destroy());
  const store = createSqlCoordinatorStore(database);

  return {
    folder,
    coordinator,
    startAgent,
    agent: () => processes['agent'] as SkerryProcess,
    /** Signed by two of the key holders, and its bytes where devices find them. */
    async publish(bundle: string): Promise<Partial<ModelAssignment>> {
      await tuf('add', '--bundle', bundle);
      for (const n of [1, 2]) await tuf('sign', '--key', key(`offline-keys/targets-${n}.pem`));
      await tuf('publish');
      const bytes = await readFile(join(bundle, 'manifest.json'));
      const manifest = manifestSchema.parse(JSON.parse(bytes.toString()));
      const files = manifest.variants.flatMap(({ files }) => Object.values(files));
      for (const path of ['manifest.json', ...files.map(({ path }) => path)]) {
        const body = await readFile(join(bundle, path));
        const put = await fetch(`${coordinator.httpUrl}/v1/blobs/${sha256(body)}`, {
          method: 'PUT',
          body,
        });
        expect(put.status).toBe(201);
      }
      return {
        model: 'digits',
        version: manifest.version,
        target: `digits/${manifest.version}/manifest.json`,
        bundle: { digest: sha256(bytes), bytes: bytes.length },
      };
    },
    /** The repository's metadata in one file, for who reaches no HTTP. */
    async pack() {
      const path = join(folder, 'pack.json');
      await tuf('pack', '--out', path);
      const body = await readFile(path);
      const ref = { digest: sha256(body), bytes: body.length };
      const url = `${coordinator.httpUrl}/v1/blobs/${ref.digest}`;
      expect((await fetch(url, { method: 'PUT', body })).status).toBe(201);
      return ref;
    },
    async assign(counter: number, terms: Partial<ModelAssignment>, more: Partial<Assignment> = {}) {
      const soak = { forMs: 300, requestsMin: 5, limits: sampleModelAssignment().soak.limits };
      const models = [sampleModelAssignment({ soak, ...terms })];
      const issuedMs = Date.now();
      const assignment = sampleAssignment({ counter, models, issuedMs, ...more });
      const payload = new TextEncoder().encode(JSON.stringify(assignment));
      const envelope = await must(signEnvelope(director.value, assignmentPayloadType, payload));
      const bytes = new TextEncoder().encode(JSON.stringify(envelope));
      await must(store.append('device-1', { kind: 'assignment', envelope: bytes }, issuedMs));
    },
    async told(): Promise<Told> {
      const response = await fetch(`${(processes['agent'] as SkerryProcess).httpUrl}/v1/updates`);
      const { models } = (await response.json()) as { models: Told[] };
      const [model] = models;
      if (model === undefined) throw new Error('no model is updated');
      return model;
    },
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
  // The heartbeat tells what runs.
  await vi.waitFor(async () => {
    const devices = await (await fetch(`${coordinator.httpUrl}/v1/devices`)).text();
    expect(devices).toContain(next.bundle?.digest);
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

it('killed again and again, it comes to the same end, and a model answers after each start', {
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
  await vi.waitFor(async () => {
    await inferDigit(agent().httpUrl, 'q', pixels);
    expect(await told()).toMatchObject({
      update: { state: 'confirmed' },
      running: { version: '1.1.0' },
    });
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
