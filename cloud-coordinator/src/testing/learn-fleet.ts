// Devices that learn, and the coordinator's view of them: ports for `openRuns`, with time that a test moves. Each has a
// point that it pulls the model towards, so that the mean of all is what a run must come to.

import { createRandom, defined, ok, type Random, silentLog } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import type { DownBody } from '@skerry/sync-protocol';
import { storeBytes } from '@skerry/sync-protocol/blobs';
import {
  type Compression,
  encodeUpdate,
  type LearnReply,
  type LearnTask,
  layoutSize,
  type ParameterLayout,
  readLearnPlan,
  readVector,
} from '@skerry/sync-protocol/learn';
import {
  createMemoryBlobReferences,
  createMemoryBlobStore,
  createMemoryCoordinatorDisk,
  createMemoryCoordinatorStore,
  createVirtualClock,
  sampleExchange,
} from '@skerry/sync-protocol/testing';
import type { BaseModel } from '../learn/runs/ports.ts';
import type { RunsPorts } from '../learn/runs/runs.ts';
import type { LearnDevice } from '../learn/runs/select-clients.ts';
import { createMemoryEventStore, createMemoryRolloutDisk } from './memory-rollout-stores.ts';
import { createMemoryTaskStore, type MemoryTaskDisk } from './memory-task-store.ts';

export interface LearnFleetOptions {
  readonly devices: number;
  readonly seed?: number;
  /** How many numbers the model has. */
  readonly size?: number;
  /** What a device does with a task, where that is not to train as it should; `undefined`: it says nothing. */
  readonly answer?: (
    device: string,
    task: LearnTask,
    own: () => LearnResult,
  ) => LearnResult | undefined;
  /** What its status says. */
  readonly describe?: (device: string, place: number) => Partial<LearnDevice>;
}

export type LearnResult = LearnReply['result'];

export interface LearnFleet {
  readonly ports: RunsPorts;
  readonly clock: ReturnType<typeof createVirtualClock>;
  readonly names: readonly string[];
  /** Where a device pulls the model to. */
  readonly pulls: ReadonlyMap<string, Float32Array>;
  readonly base: BaseModel;
  /** Each task that reached a device. */
  readonly heard: readonly { readonly device: string; readonly task: LearnTask }[];
  readonly blobs: RunsPorts['blobs'];
  /** All that waits for a device, since it was first heard. */
  waiting(device: string): Promise<readonly DownBody[]>;
  change(device: string, more: Partial<LearnDevice>): void;
  /** Who is there hears what there is, and says what comes of it. */
  step(): Promise<void>;
  /** What a device puts of its own, with its blob. */
  reply(device: string, reply: Omit<LearnReply, 'kind'>): Promise<void>;
  putBlob(bytes: Uint8Array): Promise<{ digest: string; bytes: number }>;
  /** What a device adds to the model, uncompressed. */
  putUpdate(delta: Float32Array): Promise<{ digest: string; bytes: number }>;
}

export const learnModel = 'digits';

export function createLearnFleet(options: LearnFleetOptions): LearnFleet {
  const { size = 8, seed = 1 } = options;
  const clock = createVirtualClock(1_750_000_000_000);
  const random = createRandom(seed);
  const names = Array.from({ length: options.devices }, (_, i) => `device-${i + 1}`);
  const draw = (own: Random): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: size }, () => own.gaussian());
  const pulls = new Map(names.map((name, i) => [name, draw(random.fork(i))]));
  const base: BaseModel = {
    version: '1.0.0',
    bundle: `sha256:${'a'.repeat(64)}`,
    network: { kind: 'named', name: 'point' },
    layout: { tensors: [{ name: 'point', shape: [size] }] },
    parameters: new Float32Array(size),
  };
  const described = new Map(
    names.map((name, i): [string, LearnDevice] => [
      name,
      {
        device: name,
        online: true,
        site: `site-${i % 2}`,
        target: 'linux-x64',
        labels: [],
        running: { [learnModel]: base.bundle },
        variants: {},
        learn: {
          plans: [1],
          networks: ['point'],
          examples: [{ model: learnModel, count: 100 + i }],
          idle: true,
        },
        ...options.describe?.(name, i),
      },
    ]),
  );
  const chance = createRandom(seed + 1);
  const disk = createMemoryCoordinatorDisk();
  const ops = createMemoryCoordinatorStore(disk);
  const references = createMemoryBlobReferences();
  const blobs = createMemoryBlobStore();
  const tasks: MemoryTaskDisk = new Map();
  const heard: { device: string; task: LearnTask }[] = [];
  const cursors = new Map<string, number>();
  const seqs = new Map<string, number>();

  const putBlob = async (bytes: Uint8Array) => {
    const ref = { digest: sha256(bytes), bytes: bytes.length };
    unwrap(await storeBytes(blobs, ref, bytes));
    return ref;
  };
  const putUpdate = async (
    layout: ParameterLayout,
    compression: Compression,
    delta: Float32Array,
    round: number,
  ) =>
    putBlob(
      unwrap(encodeUpdate(layout, compression, delta, { random: createRandom(round) })).bytes,
    );
  const reply: LearnFleet['reply'] = async (device, said) => {
    const seq = (seqs.get(device) ?? 0) + 1;
    seqs.set(device, seq);
    const body = { kind: 'learn-reply' as const, ...said };
    const exchange = sampleExchange({
      device,
      epoch: `epoch-${device}`,
      cursor: cursors.get(device) ?? 0,
      ops: [{ seq, atMs: clock.nowMs(), body }],
    });
    unwrap(await ops.accept(exchange, clock.nowMs()));
  };

  const work = async (device: string, { work: asked }: LearnTask): Promise<LearnResult> => {
    if (asked.type !== 'train' && asked.type !== 'evaluate')
      return { type: 'failed', code: 'invalid_argument', message: asked.type };
    const plan = unwrap(readLearnPlan(asked.plan));
    const { digest, bytes } = asked.parameters;
    const model = unwrap(
      readVector(unwrap(await blobs.read(digest, 0, bytes)), layoutSize(plan.layout)),
    );
    const pull = defined(pulls.get(device), 'its pull');
    const distance = Math.hypot(...model.map((value, i) => value - (pull[i] ?? 0)));
    const examples =
      defined(described.get(device), device).learn?.examples.find((e) => e.model === plan.model)
        ?.count ?? 0;
    if (asked.type === 'evaluate')
      return { type: 'evaluated', examples, metrics: { loss: distance } };
    const delta = model.map((value, i) => plan.learningRate * ((pull[i] ?? 0) - value));
    const update = await putUpdate(plan.layout, plan.compression, delta, plan.seed);
    return {
      type: 'trained',
      examples,
      steps: 1,
      completed: 1,
      update,
      metrics: { loss: distance },
    };
  };

  const hear = async (device: string): Promise<void> => {
    const cursor = cursors.get(device) ?? 0;
    const { ops: down } = unwrap(await ops.downOpsAfter(device, cursor, 100, 1e6));
    for (const { position, body } of down) {
      cursors.set(device, position);
      if (body.kind !== 'learn-task') continue;
      heard.push({ device, task: body });
      if (body.work.type === 'end') continue;
      const own = await work(device, body);
      const { run, round, attempt } = body;
      const result = options.answer === undefined ? own : options.answer(device, body, () => own);
      if (result !== undefined) await reply(device, { run, round, attempt, result });
    }
  };

  return {
    clock,
    names,
    pulls,
    base,
    heard,
    blobs,
    putBlob,
    putUpdate: (delta) => putUpdate(base.layout, { kind: 'none' }, delta, 1),
    reply,
    ports: {
      store: createMemoryEventStore(createMemoryRolloutDisk()),
      tasks: createMemoryTaskStore(tasks, ops),
      ops,
      blobs,
      references,
      blobsOf: () => blobs,
      devices: { list: () => [...described.values()] },
      chance: { fill: (into) => void fillRandom(into, chance) },
      bases: { open: async () => ok(base) },
      clock,
      log: silentLog,
    },
    async waiting(device) {
      const { ops: down } = unwrap(await ops.downOpsAfter(device, 0, 1_000, 1e7));
      return down.map(({ body }) => body);
    },
    change(device, more) {
      described.set(device, { ...defined(described.get(device), device), ...more });
    },
    async step() {
      for (const [device, { online }] of described) if (online) await hear(device);
    },
  };
}

function fillRandom(into: Uint8Array, random: Random): void {
  for (let i = 0; i < into.length; i++) into[i] = random.below(256);
}
