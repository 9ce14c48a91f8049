// A device that learns, whole: the agent, its database, its client's thread and a real network, and a cloud that the test
// plays by hand.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createResidency, deviceExitOf } from '@skerry/models';
import { createOnnxNativeRuntime, readBundle, zooDirectory } from '@skerry/models/node';
import {
  drawWeights,
  knownNetworks,
  openGraphTrainer,
  parametersOf,
  readMnist,
} from '@skerry/models/training';
import { assert, createRandom, defined, failure, silentLog } from '@skerry/shared';
import { createSystemRandom, sha256, systemClock } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { createExchangeHandler, type DeviceStatus, serveExchanges } from '@skerry/sync-protocol';
import { createWorkerEngine } from '@skerry/sync-protocol/automerge';
import { type BlobRef, storeBytes } from '@skerry/sync-protocol/blobs';
import {
  cellName,
  decodeUpdate,
  type LearnPlan,
  type LearnReply,
  type LearnTask,
  layoutSize,
  learnPlanBytes,
  parameterLayoutSchema,
  type Question,
  queryPlanBytes,
  queryPlanVersionOf,
  vectorBytes,
  vectorOf,
} from '@skerry/sync-protocol/learn';
import {
  createMemoryBlobStore,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createMemoryPipe,
  sampleLearnPlan,
} from '@skerry/sync-protocol/testing';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createClientRunner } from '../adapters/client-runner.ts';
import { createLearnBlobs, openLearning } from '../adapters/open-learning.ts';
import { packTensor } from '../adapters/pack-tensor.ts';
import { openDatabase } from '../adapters/sqlite-database.ts';
import { createSqliteDeviceStore } from '../adapters/sqlite-device-store.ts';
import { createSqliteDocumentStore } from '../adapters/sqlite-document-store.ts';
import { createSqliteEscalationStore } from '../adapters/sqlite-escalation-store.ts';
import { createSqliteHeldOps } from '../adapters/sqlite-held-ops.ts';
import { createSqliteRouteStore } from '../adapters/sqlite-route-store.ts';
import { type Agent, createAgent } from '../agent.ts';
import { agentConfigSchema } from '../config.ts';
import { createUploadFirst } from '../sync/upload-first.ts';

const { network } = knownNetworks['2nn'];
const parameters = parametersOf(network);
const layout = parameterLayoutSchema.parse({
  tensors: parameters.map(({ name, shape }) => ({ name, shape: [...shape] })),
});
const initial = unwrap(vectorOf(layout, drawWeights(parameters, createRandom(1))));

const plan = sampleLearnPlan({
  layout,
  epochs: 5,
  batch: 10,
  // At 0.1 one deal of a hundred digits in sixty ends on a step that was too long.
  learningRate: 0.02,
  examplesMin: 5,
  examplesMax: 600,
  holdOut: 0.2,
});

let digits: Awaited<ReturnType<typeof readMnist>>;
beforeAll(async () => {
  digits = await readMnist();
});

async function createWorld() {
  const folder = await mkdtemp(join(tmpdir(), 'skerry-learn-'));
  const closers: (() => unknown)[] = [];
  onTestFinished(async () => {
    for (const close of closers.reverse()) await close();
    await rm(folder, { recursive: true, force: true });
  });
  const blobs = new Map<string, Uint8Array>();
  const put = (bytes: Uint8Array): BlobRef => {
    const ref = { digest: sha256(bytes), bytes: bytes.length };
    blobs.set(ref.digest, bytes);
    return ref;
  };
  const replies: LearnReply[] = [];
  const pipe = createMemoryPipe(systemClock);
  const cloud = createMemoryCoordinatorStore(createMemoryCoordinatorDisk());
  const transport = pipe.listen();
  let status: DeviceStatus | undefined;
  const handler = createExchangeHandler(
    {
      store: cloud,
      clock: systemClock,
      onAccepted(_, fresh) {
        for (const { body } of fresh) if (body.kind === 'learn-reply') replies.push(body);
      },
      onExchange: (exchange) => {
        status = exchange.status ?? status;
      },
      hint: (device, message) => void transport.send(device, message),
    },
    { holdMs: 20 },
  );
  serveExchanges(transport, handler, silentLog);
  const disk = createMemoryBlobStore(new Map());
  return {
    replies,
    blobs,
    put,
    status: () => status,
    /** Resolves with what it replies. */
    async ask(task: LearnTask): Promise<LearnReply['result']> {
      const before = replies.length;
      await cloud.append('device-1', task, Date.now());
      handler.news('device-1');
      await vi.waitFor(() => expect(replies.length).toBe(before + 1), 15_000);
      const reply = replies[before];
      const { run, round, attempt } = task;
      expect(reply).toMatchObject({ run, round, attempt });
      return (reply as LearnReply).result;
    },
    async start(more: Readonly<Record<string, unknown>> = {}): Promise<Agent> {
      for (const close of closers.splice(0).reverse()) await close();
      const config = agentConfigSchema.parse({
        learnIdleMs: 0,
        statusIntervalMs: 100,
        auditShare: 0,
        ...more,
      });
      const database = unwrap(openDatabase(join(folder, 'agent.db')));
      const store = unwrap(createSqliteDeviceStore(database, 'device-1', () => 'epoch-1', config));
      const documentEngine = createWorkerEngine();
      let onAppended = (): void => {};
      const transfers = {
        async fetch(ref: BlobRef) {
          const bytes = blobs.get(ref.digest);
          if (bytes === undefined)
            return { ok: false as const, error: failure('not_found', 'no such blob') };
          return storeBytes(disk, ref, bytes);
        },
        drop() {},
        async send(ref: BlobRef) {
          blobs.set(ref.digest, unwrap(await disk.read(ref.digest, 0, ref.bytes)));
          return { ok: true as const, value: undefined };
        },
      };
      const uploadFirst = createUploadFirst({
        store,
        heldOps: createSqliteHeldOps(database, 10),
        transfers,
        log: silentLog,
        onAppended: () => onAppended(),
      });
      const agent = unwrap(
        await createAgent(config, {
          bundles: [unwrap(await readBundle(`${zooDirectory}/digits`, ['edge']))],
          createRuntime: createOnnxNativeRuntime,
          residency: createResidency(64 * 1024 * 1024),
          store,
          escalations: createSqliteEscalationStore(database, config),
          routeStore: createSqliteRouteStore(database),
          documents: createSqliteDocumentStore(database),
          documentEngine,
          transport: pipe.connect('device-1'),
          pack: packTensor,
          learning: openLearning(
            {
              examplesMax: config.learnExamplesMax,
              bytesMax: config.learnBytesMax,
              retentionMs: config.learnRetentionMs,
            },
            {
              database,
              store,
              transport: { blobs: createLearnBlobs(disk, transfers, new Set()), uploadFirst },
              runner: createClientRunner({
                device: 'device-1',
                policy: { thresholdMin: 2, adversary: 'curious' },
                identity: () => undefined,
                clock: systemClock,
              }),
              nowMs: systemClock.nowMs,
              onAppended: () => onAppended(),
            },
          ),
          clock: systemClock,
          random: createSystemRandom(),
          log: silentLog,
        }),
      );
      onAppended = agent.notifyAppended;
      closers.push(
        () => database.close(),
        () => documentEngine.close(),
        () => agent.close(),
      );
      return agent;
    },
  };
}

const send = (agent: Agent, path: string, body: unknown, method = 'POST') =>
  agent.app.request(path, { method, body: JSON.stringify(body) });
const get = async (agent: Agent, path: string) => (await agent.app.request(path)).json();

const imageOf = (i: number) => ({
  inputs: [
    {
      name: 'image',
      shape: [1, 1, 28, 28],
      datatype: 'UINT8',
      data: [...digits.test.pixels.subarray(i * 784, (i + 1) * 784)],
    },
  ],
});

async function teach(agent: Agent, count: number) {
  for (let i = 0; i < count; i++) {
    const parameters = { skerry_label: String(digits.test.labels[i]) };
    const response = await send(agent, '/v1/examples/digits', { ...imageOf(i), parameters });
    expect(response.status).toBe(201);
  }
}

const train = (parameters: BlobRef, round = 1, more: Partial<LearnPlan> = {}): LearnTask => ({
  kind: 'learn-task',
  run: 'run-1',
  round,
  attempt: 1,
  deadlineLeftMs: 60_000,
  work: {
    type: 'train' as const,
    plan: learnPlanBytes({ ...plan, ...more }),
    parameters,
  },
});

describe('a device that learns', () => {
  it('[LEA14] trains on what people have corrected, and its update goes up before its reply', async () => {
    const world = await createWorld();
    const agent = await world.start({ learnModels: 'digits' });
    await teach(agent, 100);
    const base = world.put(vectorBytes(initial));
    const trained = await world.ask(train(base));
    assert(trained.type === 'trained', JSON.stringify(trained));
    expect(trained).toMatchObject({ completed: 1, metrics: { loss: expect.any(Number) } });
    const { update, examples, steps } = trained;
    expect(steps).toBe(5 * Math.ceil(examples / 10));
    // The op has come, so its blob is there.
    const delta = unwrap(
      decodeUpdate(layout, plan.compression, world.blobs.get(update.digest) as Uint8Array),
    );

    const evaluate = (round: number, vector: Float32Array) =>
      world.ask({
        ...train(base, round),
        work: {
          type: 'evaluate',
          plan: learnPlanBytes(plan),
          parameters: world.put(vectorBytes(vector)),
        },
      });
    const before = await evaluate(2, initial);
    const after = await evaluate(
      3,
      initial.map((value, i) => value + (delta[i] ?? 0)),
    );
    assert(before.type === 'evaluated' && after.type === 'evaluated', 'both are evaluated');
    expect(before.examples + examples).toBe(100);
    expect(after.metrics['loss']).toBeLessThan(before.metrics['loss'] ?? 0);
    expect(await get(agent, '/v1/learn')).toMatchObject({
      models: [{ model: 'digits', consent: { people: true, cloud: false } }],
    });
    await vi.waitFor(() =>
      expect(world.status()?.learn).toMatchObject({
        plans: [1, 2, 3, 4],
        networks: expect.arrayContaining(['2nn']),
        examples: [{ model: 'digits', count: 100 }],
        idle: true,
        charging: true,
        unmetered: true,
      }),
    );
  });

  it('[LEA19] counts what it holds for whoever asks, by label and by how bright an image is', async () => {
    const world = await createWorld();
    const agent = await world.start({ learnModels: 'digits' });
    await teach(agent, 30);
    const ask = (question: Question, round: number) =>
      world.ask({
        ...train(world.put(new Uint8Array(4)), round),
        work: {
          type: 'query',
          question: question.kind,
          plan: queryPlanBytes({
            version: queryPlanVersionOf(question),
            model: 'digits',
            base: `sha256:${'a'.repeat(64)}`,
            question,
            examplesMax: 1_000,
            seed: 1,
          }),
        },
      });
    const labels = Array.from({ length: 10 }, (_, digit) => String(digit));
    const held = labels.map(
      (label) => digits.test.labels.subarray(0, 30).filter((of) => String(of) === label).length,
    );
    const byCell = (counts: readonly number[]) =>
      Object.fromEntries(counts.map((count, cell) => [cellName(cell), count]));
    expect(await ask({ kind: 'labels', labels }, 1)).toEqual({
      type: 'queried',
      examples: 30,
      values: byCell(held),
    });
    const bright = Array.from({ length: 30 }, (_, i) => {
      const pixels = digits.test.pixels.subarray(i * 784, (i + 1) * 784);
      return pixels.reduce((sum, pixel) => sum + pixel, 0) / 784;
    });
    const dark = bright.filter((mean) => mean < 32).length;
    const inputs = { kind: 'inputs', measure: 'mean', from: 0, to: 64, bins: 2 } as const;
    expect(await ask(inputs, 2)).toEqual({
      type: 'queried',
      examples: 30,
      values: byCell([dark, 30 - dark]),
    });
    await world.start({ learnModels: 'digits', learnLabelsTold: 'no' });
    expect(await ask({ kind: 'labels', labels }, 3)).toMatchObject({
      type: 'failed',
      code: 'permission_denied',
    });
  });

  it('[LEA15] trains the head of the model that it runs, and sends that alone', async () => {
    const world = await createWorld();
    const agent = await world.start({ learnModels: 'digits' });
    await teach(agent, 40);
    const { digest, variant, stages, manifest } = unwrap(
      await readBundle(`${zooDirectory}/digits`, ['edge']),
    );
    const { stage, logits } = unwrap(deviceExitOf(manifest));
    const known = unwrap(
      await openGraphTrainer(defined(stages.get(stage), stage), { trains: 'head', output: logits }),
    );
    onTestFinished(() => known.trainer.close());
    const head = parameterLayoutSchema.parse(known.trainer.layout);
    const ofHead: Partial<LearnPlan> = {
      version: 2,
      base: digest,
      network: { kind: 'bundle', variant: variant.name, digest: variant.digest },
      trains: 'head',
      layout: head,
      learningRate: 0.01,
    };
    const base = world.put(vectorBytes(known.weights));
    const trained = await world.ask(train(base, 1, ofHead));
    assert(trained.type === 'trained', JSON.stringify(trained));
    const sent = world.blobs.get(trained.update.digest) ?? new Uint8Array();
    const delta = unwrap(decodeUpdate(head, plan.compression, sent));
    expect(delta.length).toBe(layoutSize(head));
    expect(Math.hypot(...delta)).toBeGreaterThan(0);
    const another = `sha256:${'a'.repeat(64)}`;
    expect(await world.ask(train(base, 2, { ...ofHead, base: another }))).toEqual({
      type: 'declined',
      reason: 'network-unknown',
    });
    // Its head, of its own name, in another order of its tensors.
    const turned = { tensors: head.tensors.toReversed() };
    expect(await world.ask(train(base, 3, { ...ofHead, layout: turned }))).toEqual({
      type: 'declined',
      reason: 'network-unknown',
    });
  });

  it('[LEA1] forgets what runs have made of its examples with any consent that is withdrawn, not with one that is repeated', async () => {
    const world = await createWorld();
    const agent = await world.start({ learnModels: 'digits' });
    const consent = (people: boolean) =>
      send(agent, '/v1/learn/digits/consent', { people, cloud: true }, 'PUT');
    await consent(true);
    await teach(agent, 20);
    await world.ask(train(world.put(vectorBytes(initial)), 1, { epochs: 1 }));
    await consent(true);
    expect(await get(agent, '/v1/learn')).toMatchObject({ runs: [{ run: 'run-1' }] });
    await consent(false);
    expect(await get(agent, '/v1/learn')).toMatchObject({ runs: [] });
    expect(await get(agent, '/v1/examples')).toEqual({ models: [] });
  });

  it('[LEA1] keeps nothing of what it was asked before somebody consents, and nothing after it is withdrawn', async () => {
    const world = await createWorld();
    const agent = await world.start();
    const ask = async () => {
      const response = await send(agent, '/v2/models/digits/infer', imageOf(0));
      const { parameters } = (await response.json()) as { parameters: Record<string, unknown> };
      return String(parameters['skerry_request_id']);
    };
    const correct = async (request: string, label: string) => {
      const response = await send(agent, '/v1/examples', { request_id: request, label });
      return { status: response.status, ...((await response.json()) as object) };
    };
    const before = await ask();
    expect(await correct(before, '7')).toMatchObject({ status: 404 });
    const parameters = { skerry_label: '7' };
    expect((await send(agent, '/v1/examples/digits', { ...imageOf(0), parameters })).status).toBe(
      403,
    );

    const consent = { people: true, cloud: false };
    expect((await send(agent, '/v1/learn/digits/consent', consent, 'PUT')).status).toBe(200);
    expect(await correct(before, '7')).toMatchObject({ status: 404 });
    const after = await ask();
    expect(await correct(after, 'eleven')).toMatchObject({ status: 400 });
    expect(await correct(after, '7')).toMatchObject({
      status: 201,
      label: '7',
      source: 'person',
      use: 'train',
      request_id: after,
    });
    expect(await correct(after, '1')).toMatchObject({ status: 201 });
    expect(await get(agent, '/v1/examples')).toEqual({
      models: [{ model: 'digits', count: 1, bytes: 784, labels: { 1: 1 } }],
    });

    // It holds over a restart, and against the configuration.
    const next = await world.start();
    expect(await get(next, '/v1/examples')).toMatchObject({ models: [{ count: 1 }] });
    const withdrawn = { people: false, cloud: false };
    await send(next, '/v1/learn/digits/consent', withdrawn, 'PUT');
    const last = await world.start({ learnModels: 'digits' });
    expect(await get(last, '/v1/examples')).toEqual({ models: [] });
    expect(await get(last, '/v1/learn')).toMatchObject({
      models: [{ model: 'digits', consent: withdrawn }],
    });
  });
});
