// Devices that learn, as tests play them, before any coordinator that takes what they put: one in memory, or a process. Each has
// a point that it pulls the model towards, so that the mean of all is what a run must come to.

import { createRandom, defined, type Random } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import type { CoordinatorStore } from '@skerry/sync-protocol';
import { type BlobStore, storeBytes } from '@skerry/sync-protocol/blobs';
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
import { sampleExchange } from '@skerry/sync-protocol/testing';
import type { BaseModel } from '../learn/runs/ports.ts';
import type { LearnDevice } from '../learn/runs/select-clients.ts';

export interface LearnDevicesOptions {
  readonly devices: number;
  readonly seed?: number;
  /** How many numbers the model has. */
  readonly size?: number;
  /** What a device does with a task, where that is not to train as it should; `undefined`: it says nothing. */
  readonly answer?: (
    device: string,
    task: LearnTask,
    own: () => LearnResult,
  ) => LearnResult | undefined | Promise<LearnResult | undefined>;
  /** What its status says. */
  readonly describe?: (device: string, place: number) => Partial<LearnDevice>;
}

export type LearnResult = LearnReply['result'];

/** What devices see of their coordinator. */
export interface LearnDesk {
  readonly ops: Pick<CoordinatorStore, 'accept' | 'downOpsAfter'>;
  readonly blobs: Pick<BlobStore, 'holding' | 'read' | 'write' | 'finish'>;
  nowMs(): number;
}

export interface PlayedDevices {
  readonly names: readonly string[];
  /** Where a device pulls the model to. */
  readonly pulls: ReadonlyMap<string, Float32Array>;
  readonly base: BaseModel;
  /** Each task that reached a device. */
  readonly heard: readonly { readonly device: string; readonly task: LearnTask }[];
  described(): readonly LearnDevice[];
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

export function playDevices(options: LearnDevicesOptions, desk: LearnDesk): PlayedDevices {
  const { size = 8, seed = 1 } = options;
  const { ops, blobs, nowMs } = desk;
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
  const heard: { device: string; task: LearnTask }[] = [];
  const cursors = new Map<string, number>();
  const seqs = new Map<string, number>();

  const putBlob = async (bytes: Uint8Array) => {
    const ref = { digest: sha256(bytes), bytes: bytes.length };
    unwrap(await storeBytes(blobs, ref, bytes));
    return ref;
  };
  const encode = (
    layout: ParameterLayout,
    compression: Compression,
    delta: Float32Array,
    round: number,
  ) => unwrap(encodeUpdate(layout, compression, delta, { random: createRandom(round) })).bytes;
  const reply: PlayedDevices['reply'] = async (device, said) => {
    const seq = (seqs.get(device) ?? 0) + 1;
    seqs.set(device, seq);
    const body = { kind: 'learn-reply' as const, ...said };
    const exchange = sampleExchange({
      device,
      epoch: `epoch-${device}`,
      cursor: cursors.get(device) ?? 0,
      ops: [{ seq, atMs: nowMs(), body }],
    });
    unwrap(await ops.accept(exchange, nowMs()));
  };

  const work = async (device: string, { work: asked }: LearnTask): Promise<LearnResult> => {
    if (asked.type !== 'train' && asked.type !== 'evaluate')
      return { type: 'failed', code: 'invalid_argument', message: asked.type };
    const plan = unwrap(readLearnPlan(asked.plan));
    const { parameters } = asked;
    const read = unwrap(await blobs.read(parameters.digest, 0, parameters.bytes));
    const model = unwrap(readVector(read, layoutSize(plan.layout)));
    const pull = defined(pulls.get(device), 'its pull');
    const distance = Math.hypot(...model.map((value, i) => value - (pull[i] ?? 0)));
    const examples =
      defined(described.get(device), device).learn?.examples.find((e) => e.model === plan.model)
        ?.count ?? 0;
    if (asked.type === 'evaluate')
      return { type: 'evaluated', examples, metrics: { loss: distance } };
    const delta = model.map((value, i) => plan.learningRate * ((pull[i] ?? 0) - value));
    const bytes = encode(plan.layout, plan.compression, delta, plan.seed);
    // By how much a control variate moves (SCAFFOLD), which is to be told from the update.
    const control =
      plan.controlVariates === true
        ? encode(
            plan.layout,
            plan.compression,
            delta.map((value) => -value / 2),
            plan.seed,
          )
        : undefined;
    return {
      type: 'trained',
      examples,
      steps: 1,
      completed: 1,
      update: await putBlob(control === undefined ? bytes : joined(bytes, control)),
      ...(control === undefined ? {} : { controlAt: bytes.length }),
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
      const result =
        options.answer === undefined ? own : await options.answer(device, body, () => own);
      if (result !== undefined) await reply(device, { run, round, attempt, result });
    }
  };

  return {
    names,
    pulls,
    base,
    heard,
    putBlob,
    putUpdate: (delta) => putBlob(encode(base.layout, { kind: 'none' }, delta, 1)),
    reply,
    described: () => [...described.values()],
    change(device, more) {
      described.set(device, { ...defined(described.get(device), device), ...more });
    },
    async step() {
      for (const [device, { online }] of described) if (online) await hear(device);
    },
  };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
