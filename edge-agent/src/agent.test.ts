// The agent whole: a real model in its worker, a real SQLite file, the production protocol, and a cloud that the test
// plays by hand at the other end of a pipe in memory.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from '@skerry/models';
import { createResidency, type Runtime } from '@skerry/models';
import { createOnnxNativeRuntime, readBundle } from '@skerry/models/node';
import { writeSampleBundle } from '@skerry/models/testing';
import { defined, err, failure, silentLog } from '@skerry/shared';
import { createSystemRandom, systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import {
  type Answer,
  createExchangeHandler,
  type Escalation,
  serveExchanges,
} from '@skerry/sync-protocol';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import {
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryPipe,
} from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { packTensor } from './adapters/pack-tensor.ts';
import { openDatabase } from './adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from './adapters/sqlite-device-store.ts';
import { createSqliteDocumentStore } from './adapters/sqlite-document-store.ts';
import { createSqliteEscalationStore } from './adapters/sqlite-escalation-store.ts';
import { createSqliteRouteStore } from './adapters/sqlite-route-store.ts';
import { createSqliteWebhookCursor } from './adapters/sqlite-webhook-cursor.ts';
import { type Agent, createAgent } from './agent.ts';
import { agentConfigSchema } from './config.ts';
import type { PowerReading } from './route/strain.ts';

/** Pixels whose first two are the edge's logits and whose last two are the cloud's; see writeSampleBundle. */
const sure = [255, 0, 0, 255];
const unsure = [1, 0, 0, 255];

type Outcome = Answer['outcome'];
const answered: Outcome = {
  kind: 'answered',
  exit: 2,
  label: 1,
  confidence: 0.99,
  probabilities: [0.01, 0.99],
  variant: `sha256:${'a'.repeat(64)}`,
};

interface World {
  /** Starts the agent, again where it has run before, on the same files. */
  start(config?: Readonly<Record<string, unknown>>): Promise<Agent>;
  /** Undefined: the cloud takes questions and says nothing. */
  outcome: Outcome | undefined;
  /** Answers all that is open. */
  answerAll(): Promise<void>;
  setLink(up: boolean): void;
  readonly manifest: Manifest;
  power: PowerReading;
  /** The next run finds the worker dead. */
  killWorker(): void;
  /** What the webhook was sent. */
  readonly pushed: { readonly type: string; readonly data: unknown }[];
  /** What the cloud has been asked, in order. */
  readonly asked: Escalation[];
  pack: typeof packTensor;
}

async function createWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-agent-'));
  const manifest = await writeSampleBundle(join(folder, 'bundle'));
  const closers: (() => unknown)[] = [];
  onTestFinished(async () => {
    for (const close of closers.reverse()) await close();
    await rm(folder, { recursive: true, force: true });
  });
  const pipe = createMemoryPipe(systemClock);
  const cloud = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  const transport = pipe.listen();
  const handler = createExchangeHandler(
    {
      store: cloud,
      clock: systemClock,
      onAccepted(_, fresh) {
        for (const { body } of fresh) if (body.kind === 'escalation') world.asked.push(body);
        if (world.outcome) void world.answerAll();
      },
      hint: (device, message) => void transport.send(device, message),
    },
    { holdMs: 20 },
  );
  serveExchanges(transport, handler, silentLog);

  let killed = false;
  const createRuntime = (): Runtime => {
    const runtime = createOnnxNativeRuntime();
    return {
      ...runtime,
      async load(model, options) {
        const loaded = await runtime.load(model, options);
        if (!loaded.ok) return loaded;
        const { run, ...session } = loaded.value;
        const mortal: typeof run = async (feeds) => {
          if (!killed) return run(feeds);
          killed = false;
          return err(failure('unavailable', 'the worker died'));
        };
        return { ok: true, value: { ...session, run: mortal } };
      },
    };
  };
  const world: World = {
    outcome: answered,
    manifest,
    power: {},
    killWorker() {
      killed = true;
    },
    pushed: [],
    asked: [],
    pack: packTensor,
    async answerAll() {
      for (const { device, body } of unwrap(await cloud.openEscalations(1000))) {
        const { requestId } = body;
        const outcome = world.outcome ?? answered;
        await cloud.appendDown(device, { kind: 'answer', requestId, outcome }, Date.now());
        handler.news(device);
      }
    },
    setLink: (up) => pipe.setLink('device-1', up),
    async start(more = {}) {
      for (const close of closers.splice(0).reverse()) await close();
      const config = agentConfigSchema.parse({ deadlineMs: 2000, auditShare: 0, ...more });
      const database = unwrap(openDatabase(join(folder, 'agent.db')));
      const documentEngine = createWorkerEngine();
      const agent = unwrap(
        await createAgent(config, {
          bundles: [unwrap(await readBundle(join(folder, 'bundle'), ['edge']))],
          createRuntime,
          residency: createResidency(1024 * 1024),
          store: unwrap(createSqliteDeviceStore(database, 'device-1', () => 'epoch-1', config)),
          escalations: createSqliteEscalationStore(database, config),
          routeStore: createSqliteRouteStore(database),
          documents: createSqliteDocumentStore(database),
          documentEngine,
          power: () => world.power,
          webhook: {
            cursor: createSqliteWebhookCursor(database),
            async send(_, type, data) {
              world.pushed.push({ type, data });
              return { ok: true, value: undefined };
            },
          },
          transport: pipe.connect('device-1'),
          pack: (...packed) => world.pack(...packed),
          clock: systemClock,
          random: createSystemRandom(),
          log: silentLog,
        }),
      );
      closers.push(
        () => database.close(),
        () => documentEngine.close(),
        () => agent.close(),
      );
      await vi.waitFor(async () =>
        expect(await health(agent)).toMatchObject({ link: { rttMs: expect.any(Number) } }),
      );
      return agent;
    },
  };
  return world;
}

const get = async (agent: Agent, path: string) => await agent.app.request(path);
const health = async (agent: Agent) => (await get(agent, '/healthz')).json();

function post(agent: Agent, body: unknown, path = '/v2/models/sample/infer') {
  return agent.app.request(path, { method: 'POST', body: JSON.stringify(body) });
}

const ask = (pixels: readonly number[], more: object = {}) => ({
  inputs: [{ name: 'image', shape: [1, 1, 2, 2], datatype: 'UINT8', data: pixels }],
  ...more,
});

async function infer(agent: Agent, pixels: readonly number[], more: object = {}) {
  const response = await post(agent, ask(pixels, more));
  expect(response.status).toBe(200);
  const { parameters, outputs, id } = (await response.json()) as {
    id?: string;
    parameters: Record<string, unknown>;
    outputs: { name: string; data: unknown[] }[];
  };
  return { id, ...parameters, label: outputs.find((o) => o.name === 'label')?.data[0] };
}

/** The next `count` events of the answers stream. */
async function events(agent: Agent, count: number, from: string) {
  const abort = new AbortController();
  const response = await agent.app.request(`/v1/answers/stream?after=${from}`, {
    signal: abort.signal,
  });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const reader = defined(response.body, 'a body').pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const found = () => [...text.matchAll(/^data: (.*)$/gm)].map((m) => JSON.parse(m[1] ?? ''));
  while (found().length < count) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return found();
}

describe('an audit', () => {
  it('asks the cloud what an app has been told, and the app hears nothing more of it', async () => {
    const { start } = await createWorld();
    const agent = await start({ auditShare: 1 });
    expect(await infer(agent, sure)).toMatchObject({
      source: 'exit:1',
      degraded: false,
      pending: false,
    });
    // The cloud of this world always says 'right', and the exit said 'left'.
    await vi.waitFor(async () =>
      expect(await (await get(agent, '/metrics')).text()).toContain(
        'skerry_audits_total{agrees="false"} 1',
      ),
    );
    expect(await (await get(agent, '/metrics')).text()).toContain('skerry_escalations_total 0');
    await infer(agent, unsure, { id: 'next' }); // An event to wait for: nothing comes before it.
    expect((await get(agent, '/v1/answers/next')).status).toBe(200);
  });

  it('that is under way is written down before the agent has closed', async () => {
    const world = await createWorld();
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    world.pack = async (...packed) => {
      await held;
      return packTensor(...packed);
    };
    await infer(await world.start({ auditShare: 1 }), sure);
    const restarted = world.start(); // Closes the agent before it, and then its database.
    await new Promise((resolve) => setTimeout(resolve, 300));
    letGo();
    await restarted;
    await vi.waitFor(() => expect(world.asked.map(({ audit }) => audit)).toContain('exit'));
  });

  it('is none of edge-only’s', async () => {
    const { start } = await createWorld();
    const agent = await start({ auditShare: 1, policy: 'edge-only' });
    await infer(agent, sure);
    expect(await health(agent)).toMatchObject({ queue: { ops: 0 } });
  });
});

describe('a look-alike', () => {
  /** Alike in the cut, which is the last two pixels. */
  const alike = [1, 0, 0, 250];

  it('is answered by what the cloud said, also after a restart, until an audit contradicts it', async () => {
    const world = await createWorld();
    const config = { answerCache: 'on', cacheAuditShare: 0 };
    const agent = await world.start(config);
    await infer(agent, unsure, { id: 'first' });
    const first = await (await get(agent, '/v1/answers/first')).json();
    const { request_id } = first as { request_id: string };
    const cached = { source: 'cache', label: 'right', confidence: 0.99, degraded: true };
    expect(await infer(agent, alike)).toMatchObject({
      ...cached,
      pending: false,
      reason: expect.stringContaining(`look-alike of ${request_id}`),
    });
    world.outcome = { ...answered, label: 0 };
    const checking = await world.start({ ...config, cacheAuditShare: 1 });
    expect(await infer(checking, alike)).toMatchObject(cached);
    // The cloud has changed its mind: the next look-alike is asked, and learned anew.
    await vi.waitFor(async () =>
      expect(await infer(checking, alike)).toMatchObject({ source: 'cloud', label: 'left' }),
    );
    expect(await infer(checking, unsure)).toMatchObject({ source: 'cache', label: 'left' });
  });

  it('is answered so too where the cloud is not to be asked', async () => {
    const world = await createWorld();
    const agent = await world.start({ answerCache: 'on', cacheAuditShare: 1 });
    await infer(agent, unsure);
    world.power = { batteryShare: 0.01, discharging: true };
    expect(await infer(agent, alike)).toMatchObject({ source: 'cache', label: 'right' });
    expect(await infer(agent, [1, 0, 255, 0])).toMatchObject({ reason: 'the battery is low' });
    expect(await health(agent)).toMatchObject({ queue: { ops: 0 } });
  });

  it('is not asked again within its cooldown', async () => {
    const { start } = await createWorld();
    const agent = await start({ lookAlikeCooldownMs: 60_000 });
    expect(await infer(agent, unsure)).toMatchObject({ source: 'cloud' });
    expect(await infer(agent, alike)).toMatchObject({
      source: 'exit:1',
      degraded: true,
      pending: false,
      reason: expect.stringContaining('just asked'),
    });
    const parameters = { skerry_policy: 'cloud-only' };
    expect(await infer(agent, alike, { parameters })).toMatchObject({ source: 'cloud' });
  });
});

describe('a webhook', () => {
  it('is told of a late answer, with what the stream says', async () => {
    const world = await createWorld();
    const agent = await world.start();
    world.setLink(false);
    await infer(agent, unsure, { id: 'late' });
    world.setLink(true);
    await vi.waitFor(() =>
      expect(world.pushed).toMatchObject([
        { type: 'answer.late', data: { id: 'late', delivery: 'late', answer: { label: 'right' } } },
      ]),
    );
    expect(await events(agent, 1, '0')).toEqual([world.pushed[0]?.data]);
  });
});

describe('a low battery', () => {
  it('sends nothing and says so', async () => {
    const world = await createWorld();
    world.power = { batteryShare: 0.1, discharging: true };
    const agent = await world.start();
    expect(await infer(agent, unsure)).toMatchObject({
      degraded: true,
      pending: false,
      reason: 'the battery is low',
    });
    world.power = { batteryShare: 0.1, discharging: false };
    expect(await infer(agent, unsure)).toMatchObject({ source: 'cloud' });
  });
});

describe('a budget', () => {
  it('ends the questions, says so, and holds over a restart', async () => {
    const { start } = await createWorld();
    const config = { escalationsPerHour: 1 };
    const agent = await start(config);
    expect(await infer(agent, unsure)).toMatchObject({ source: 'cloud' });
    const refused = { degraded: true, pending: false, reason: 'budget: requests' };
    expect(await infer(agent, unsure)).toMatchObject(refused);
    expect(await infer(await start(config), unsure)).toMatchObject(refused);
  });
});

describe('a request', () => {
  it('is answered at the edge exit where it is confident, and says so', async () => {
    const { start, manifest } = await createWorld();
    expect(await infer(await start(), sure, { id: 'mine' })).toMatchObject({
      id: 'mine',
      label: 'left',
      source: 'exit:1',
      confidence: expect.closeTo(1, 5),
      degraded: false,
      pending: false,
      model_digest: manifest.variants[0]?.digest,
      reason: 'confident',
    });
  });

  it('is answered by the cloud where it is not', async () => {
    const { start } = await createWorld();
    expect(await infer(await start(), unsure)).toMatchObject({
      label: 'right',
      source: 'cloud',
      confidence: 0.99,
      degraded: false,
    });
  });

  it('keeps its local answer, marked, when the cloud cannot answer either', async () => {
    const world = await createWorld();
    world.outcome = { kind: 'failed', code: 'model_not_found', message: 'never heard of it' };
    expect(await infer(await world.start(), unsure)).toMatchObject({
      label: 'left',
      source: 'exit:1',
      degraded: true,
      pending: false,
      reason: 'cloud: model_not_found',
    });
  });

  it('obeys its own policy', async () => {
    const { start, asked } = await createWorld();
    const agent = await start();
    const under = (skerry_policy: string) =>
      infer(agent, unsure, { parameters: { skerry_policy } });
    expect(await under('edge-only')).toMatchObject({
      source: 'exit:1',
      degraded: true,
      pending: false,
    });
    expect(await under('edge-then-async')).toMatchObject({ degraded: true, pending: true });
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    await under('sync-with-deadline');
    // The cloud serves first whom an app waits for.
    expect(asked.map(({ deadlineLeftMs }) => deadlineLeftMs > 0)).toEqual([false, true]);
  });

  it('returns binary tensors to who asks for them', async () => {
    const { start } = await createWorld();
    const response = await post(
      await start(),
      ask(sure, { parameters: { binary_data_output: true } }),
    );
    const bytes = new Uint8Array(await response.arrayBuffer());
    const header = Number(response.headers.get('Inference-Header-Content-Length'));
    const { outputs } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, header)));
    expect(outputs.map((o: { parameters: object }) => o.parameters)).toEqual([
      { binary_data_size: 4 + 'left'.length },
      { binary_data_size: 8 },
    ]);
    expect(bytes.byteLength).toBe(header + 16);
  });
});

describe('a stage that ran elsewhere, in a browser', () => {
  const logits = (...data: number[]) => ({
    name: 'logits',
    shape: [1, 2],
    datatype: 'FP32',
    data,
  });
  const cut = { name: 'cut', shape: [1, 2], datatype: 'UINT8', data: [0, 16] };
  const stage = '/v1/escalations/sample/edge';

  it('is decided on as if it had run here, whatever the browser thinks of it', async () => {
    const { start } = await createWorld();
    const agent = await start();
    const unsureThere = await post(agent, { inputs: [logits(0.1, 0), cut] }, stage);
    expect(await unsureThere.json()).toMatchObject({ source: 'cloud', label: 1, degraded: false });
    const sureThere = await post(agent, { inputs: [logits(0, 9), cut] }, stage);
    expect(await sureThere.json()).toMatchObject({
      source: 'exit:1',
      label: 1,
      reason: 'confident',
    });
    expect(await health(agent)).toMatchObject({ queue: { ops: 0 } });
  });

  it('[UPD18] is refused where another bundle runs by now: what one computed is not the other’s', async () => {
    const { start } = await createWorld();
    const agent = await start();
    const served = await (await get(agent, '/v1/bundles/sample')).json();
    const ran = (bundle: string) =>
      agent.app.request(stage, {
        method: 'POST',
        headers: { 'skerry-bundle': bundle },
        body: JSON.stringify({ inputs: [logits(0, 9), cut] }),
      });
    expect((await ran((served as { digest: string }).digest)).status).toBe(200);
    expect((await ran(`sha256:${'0'.repeat(64)}`)).status).toBe(400);
  });

  it('is passed on, and announced as pending, where nobody waits', async () => {
    const { start } = await createWorld();
    const agent = await start();
    const parameters = { skerry_policy: 'edge-then-async' };
    const told = await post(agent, { id: 'page', parameters, inputs: [logits(0, 0), cut] }, stage);
    expect(await told.json()).toMatchObject({ source: 'exit:1', degraded: true, pending: true });
    const [late] = await events(agent, 1, '0');
    expect(late).toMatchObject({ id: 'page', delivery: 'late', answer: { label: 'right' } });
  });

  it.each<[string, unknown, string, number]>([
    ['a stage that is not', { inputs: [logits(0, 0), cut] }, '/v1/escalations/sample/cloud', 404],
    ['a missing cut', { inputs: [logits(0, 0)] }, stage, 400],
    ['logits of another size', { inputs: [{ ...logits(0), shape: [1, 1] }, cut] }, stage, 400],
    ['a policy that is not', { parameters: { skerry_policy: 'x' }, inputs: [cut] }, stage, 400],
    ['no tensors', {}, stage, 400],
  ])('is refused for %s', async (_, body, path, status) => {
    const { start } = await createWorld();
    const response = await post(await start(), body, path);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code: expect.any(String) });
  });
});

describe('the page', () => {
  it('finds every module that its modules import, and nothing else of the disk', async () => {
    const { start } = await createWorld();
    const agent = await start();
    const html = await (await get(agent, '/app')).text();
    const map = JSON.parse(/importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '');
    const seen = new Set<string>();
    const follow = async (url: string): Promise<void> => {
      if (seen.has(url)) return;
      seen.add(url);
      const response = await get(agent, url);
      expect(`${url}: ${response.status}`).toBe(`${url}: 200`);
      if (url.includes('onnxruntime')) return;
      for (const [, from = ''] of (await response.text()).matchAll(
        /(?: from |\bimport\()['"](.+?)['"]/g,
      ))
        await follow(map.imports[from] ?? new URL(from, `http://page${url}`).pathname);
    };
    await follow('/app/app.js');
    for (const [, path = ''] of html.matchAll(/(?:src|href)="(\/[^"]*)"/g))
      expect(`${path}: ${(await get(agent, path)).status}`).toBe(`${path}: 200`);
    expect(seen.size).toBeGreaterThan(10);
    expect((await get(agent, '/app/modules/edge-agent/main.js')).status).toBe(404);
    expect((await get(agent, '/app/modules/../../package.json')).status).toBe(404);
  });

  it('allows no script, style or connection from elsewhere', async () => {
    const { start } = await createWorld();
    const policy = (await get(await start(), '/app')).headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe-inline');
    expect(policy).not.toContain('http');
  });

  it('takes the bundle from this device: its manifest, its variant, and the device’s stages alone', async () => {
    const { start, manifest } = await createWorld();
    const agent = await start();
    const bundle = (await (await get(agent, '/v1/bundles/sample')).json()) as {
      variant: { digest: string };
    };
    expect(bundle).toMatchObject({ manifest: { name: 'sample' } });
    expect(bundle.variant.digest).toBe(manifest.variants[0]?.digest);
    const edge = await get(agent, '/v1/bundles/sample/stages/edge');
    expect((await edge.arrayBuffer()).byteLength).toBe(manifest.variants[0]?.files['edge']?.bytes);
    expect((await get(agent, '/v1/bundles/sample/stages/cloud')).status).toBe(404);
    expect((await get(agent, '/v1/bundles/other')).status).toBe(404);
  });
});

describe('a late answer', () => {
  it('comes on the stream and by id, once, after the local one was given at the deadline', async () => {
    const world = await createWorld();
    world.outcome = undefined;
    const agent = await world.start();
    // Longer than the round trip, also on a busy machine: the device shall wait for the cloud, in vain.
    const local = await infer(agent, unsure, { id: 'q1', parameters: { skerry_deadline_ms: 500 } });
    expect(local).toMatchObject({
      label: 'left',
      degraded: true,
      pending: true,
      reason: 'deadline',
    });
    expect(await (await get(agent, '/v1/answers/q1')).json()).toMatchObject({ delivery: 'open' });
    await world.answerAll();
    const expected = {
      id: 'q1',
      delivery: 'late',
      local: { exit: 1, label: 'left' },
      answer: { source: 'cloud', label: 'right', confidence: 0.99 },
    };
    expect(await events(agent, 1, '0')).toMatchObject([expected]);
    expect(await (await get(agent, '/v1/answers/q1')).json()).toMatchObject(expected);
    expect(await (await get(agent, '/metrics')).text()).toContain('skerry_late_answers_total 1');
  });

  it('comes after the link heals; until then nobody waits for the deadline', async () => {
    const world = await createWorld();
    const agent = await world.start({ deadlineMs: 600_000 });
    world.setLink(false);
    for (const id of ['a', 'b'])
      expect(await infer(agent, unsure, { id })).toMatchObject({
        degraded: true,
        pending: true,
        reason: 'link down',
      });
    expect(await health(agent)).toMatchObject({ queue: { ops: 2 } });
    world.setLink(true);
    expect((await events(agent, 2, '0')).map((e) => e.id)).toEqual(['a', 'b']);
    expect((await events(agent, 1, '1')).map((e) => e.id)).toEqual(['b']);
    await vi.waitFor(async () => expect(await health(agent)).toMatchObject({ queue: { ops: 0 } }));
  });

  it('outlives the agent: asked before a restart, delivered after it, in time answers not again', async () => {
    const world = await createWorld();
    const first = await world.start();
    await infer(first, unsure, { id: 'in-time' });
    world.setLink(false);
    await infer(first, unsure, { id: 'late' });
    world.setLink(true);
    const second = await world.start();
    expect((await events(second, 1, '0')).map((e) => e.id)).toEqual(['late']);
    expect(await (await get(second, '/v1/answers/in-time')).json()).toMatchObject({
      delivery: 'in-time',
      answer: { label: 'right' },
    });
  });
});

describe('an app that goes away', () => {
  it('while it waits for the cloud finds the answer on the stream', async () => {
    const world = await createWorld();
    world.outcome = undefined;
    const agent = await world.start({ deadlineMs: 60_000 });
    const gone = new AbortController();
    const asked = agent.app.request('/v2/models/sample/infer', {
      method: 'POST',
      body: JSON.stringify(ask(unsure, { id: 'left' })),
      signal: gone.signal,
    });
    await vi.waitFor(async () => expect((await get(agent, '/v1/answers/left')).status).toBe(200));
    gone.abort();
    await asked;
    world.outcome = answered; // The question may still be on its way to the cloud.
    await world.answerAll();
    expect((await events(agent, 1, '0')).map((e) => e.id)).toEqual(['left']);
  });

  it('gives its place on the stream back, and a HEAD takes none', async () => {
    const { start } = await createWorld();
    const agent = await start();
    for (let i = 0; i < 70; i++) await agent.app.request('/v1/answers/stream', { method: 'HEAD' });
    for (let i = 0; i < 70; i++) {
      const response = await get(agent, '/v1/answers/stream');
      expect(response.status).toBe(200);
      await response.body?.cancel();
    }
  });
});

describe('a deadline', () => {
  it('that the device itself cannot keep is refused, not overrun', async () => {
    const { start } = await createWorld();
    const agent = await start();
    const parameters = { skerry_deadline_ms: 0.001 };
    const response = await post(agent, ask(sure, { parameters }));
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ code: 'deadline_exceeded' });
  });

  it('is not waited for when the agent closes', async () => {
    const world = await createWorld();
    world.outcome = undefined;
    const agent = await world.start({ deadlineMs: 600_000 });
    const asked = infer(agent, unsure, { id: 'closing' });
    await vi.waitFor(async () =>
      expect((await get(agent, '/v1/answers/closing')).status).toBe(200),
    );
    agent.drain();
    expect(await asked).toMatchObject({ degraded: true, pending: true });
    // Nor does who comes between the drain and the closing of the port.
    expect(await infer(agent, unsure)).toMatchObject({ degraded: true, pending: true });
  });
});

describe('a dead worker', () => {
  it('costs the request that met it, and the next one starts another', async () => {
    const world = await createWorld();
    const agent = await world.start();
    world.killWorker();
    expect((await post(agent, ask(sure))).status).toBe(503);
    expect((await get(agent, '/v2/models/sample/ready')).status).not.toBe(200);
    expect((await post(agent, ask(sure))).status).toBe(200);
    expect((await get(agent, '/v2/models/sample/ready')).status).toBe(200);
  });
});

describe('bounds', () => {
  it('a full queue answers overloaded at once, and says when to come back', async () => {
    const { start } = await createWorld();
    const agent = await start({ inferQueueMax: 1 });
    const responses = await Promise.all(Array.from({ length: 8 }, () => post(agent, ask(sure))));
    const refused = responses.filter((r) => r.status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(responses.filter((r) => r.status === 200).length).toBe(8 - refused.length);
    expect(await refused[0]?.json()).toMatchObject({
      code: 'overloaded',
      retryAfterMs: expect.any(Number),
    });
    expect(refused[0]?.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await post(agent, ask(sure))).status).toBe(200);
  });

  it('a full outbox costs the better answer, never the local one, and never another op', async () => {
    const world = await createWorld();
    const agent = await world.start({ outboxOpsMax: 1 });
    world.setLink(false);
    await infer(agent, unsure, { id: 'kept' });
    expect(await infer(agent, unsure, { id: 'lost' })).toMatchObject({
      degraded: true,
      pending: false,
      reason: 'not escalated: overloaded',
    });
    expect((await get(agent, '/v1/answers/lost')).status).toBe(404);
    world.setLink(true);
    expect((await events(agent, 1, '0')).map((e) => e.id)).toEqual(['kept']);
  });

  it('more waiting requests than waitersMax are answered locally, the better answer later', async () => {
    const world = await createWorld();
    world.outcome = undefined;
    const agent = await world.start({ waitersMax: 1 });
    const parameters = { skerry_deadline_ms: 300 };
    const answers = await Promise.all([1, 2, 3].map(() => infer(agent, unsure, { parameters })));
    expect(answers.map((a) => (a as { reason?: string }).reason).sort()).toEqual([
      'deadline',
      'too many requests wait',
      'too many requests wait',
    ]);
  });
});

describe('bad input', () => {
  it.each<[string, unknown, number, string]>([
    [
      'a shape that is not the model’s',
      { inputs: [{ name: 'image', shape: [4], datatype: 'UINT8', data: sure }] },
      400,
      'invalid_tensor',
    ],
    [
      'a datatype that is not',
      { inputs: [{ name: 'image', shape: [1, 1, 2, 2], datatype: 'FP32', data: sure }] },
      400,
      'invalid_tensor',
    ],
    [
      'a missing input',
      { inputs: [{ name: 'other', shape: [1], datatype: 'UINT8', data: [1] }] },
      400,
      'invalid_argument',
    ],
    [
      'an input too many',
      { inputs: [...ask(sure).inputs, { name: 'x', shape: [1], datatype: 'UINT8', data: [1] }] },
      400,
      'invalid_argument',
    ],
    [
      'an output that is not',
      ask(sure, { outputs: [{ name: 'colour' }] }),
      400,
      'invalid_argument',
    ],
    [
      'a policy that is not',
      ask(sure, { parameters: { skerry_policy: 'guess' } }),
      400,
      'invalid_argument',
    ],
    [
      'a deadline that is none',
      ask(sure, { parameters: { skerry_deadline_ms: -1 } }),
      400,
      'invalid_argument',
    ],
    [
      'a parameter that is a typo of ours',
      ask(sure, { parameters: { skerry_deadline: 5 } }),
      400,
      'invalid_argument',
    ],
  ])('%s is refused, and the agent lives', async (_, body, status, code) => {
    const { start } = await createWorld();
    const agent = await start();
    const response = await post(agent, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code, error: expect.any(String) });
    const metrics = await (await get(agent, '/metrics')).text();
    expect(metrics).toContain(`skerry_failures_total{code="${code}"} 1`);
    expect((await post(agent, ask(sure))).status).toBe(200);
  });

  it('unknown models, versions, paths and ids are not found; a body beyond the bound is too large', async () => {
    const { start } = await createWorld();
    const agent = await start({ bodyBytesMax: 1024 });
    expect((await post(agent, ask(sure), '/v2/models/nobody/infer')).status).toBe(404);
    expect((await post(agent, ask(sure), '/v2/models/sample/versions/9/infer')).status).toBe(404);
    expect((await get(agent, '/v1/answers/nobody')).status).toBe(404);
    expect((await get(agent, '/nowhere')).status).toBe(404);
    expect((await get(agent, '/v1/answers/stream?after=x')).status).toBe(400);
    const huge = await post(agent, ask(new Array(2000).fill(1)));
    expect(huge.status).toBe(413);
    expect(await huge.json()).toMatchObject({ code: 'too_large' });
    const declared = await agent.app.request('/v2/models/sample/infer', {
      method: 'POST',
      headers: { 'content-length': '1025' },
      body: '{}',
    });
    expect(declared.status).toBe(413);
  });
});

describe('the model’s metadata', () => {
  it('is what the Open Inference Protocol asks for', async () => {
    const { start } = await createWorld();
    const agent = await start();
    const json = async (path: string) => (await get(agent, path)).json();
    expect(await json('/v2/health/live')).toEqual({ live: true });
    expect(await json('/v2/health/ready')).toEqual({ ready: true });
    expect(await json('/v2')).toMatchObject({
      name: 'skerry',
      extensions: ['binary_tensor_data', 'model_repository', 'statistics'],
    });
    expect(await json('/v2/models')).toEqual({ models: ['sample'] });
    expect(await json('/v2/models/sample/versions/1.0.0/ready')).toEqual({
      name: 'sample',
      ready: true,
    });
    expect(await json('/v2/models/sample')).toMatchObject({
      name: 'sample',
      versions: ['1.0.0'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'image', datatype: 'UINT8', shape: [1, 1, 2, 2] }],
    });
  });
});
