import { randomFillSync } from 'node:crypto';
import { createRandom, ok, type Result } from '@skerry/shared';
import { l2Norm } from '@skerry/shared/privacy';
import { unwrap } from '@skerry/shared/testing';
import { decodeUpdate, type LearnPlan, readVector } from '@skerry/sync-protocol/learn';
import { sampleLearnPlan } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import {
  type ClientContext,
  type TrainedReply,
  type TrainMessage,
  type TrainMod,
  withMods,
} from '../client-app.ts';
import type { Examples } from '../examples.ts';
import { localApp } from '../local-app.ts';
import { runClient } from '../run-client.ts';
import type { LocalTrainer } from '../trainer.ts';
import { clip } from './clip.ts';
import { modsOf } from './mods-of.ts';

const plan = sampleLearnPlan({
  model: 'm',
  layout: {
    tensors: [
      { name: 'body', shape: [2] },
      { name: 'head', shape: [2] },
    ],
  },
});
const mods = { secretBytes: { fill: (into: Uint8Array) => void randomFillSync(into) } };
const norm = (vector: Float32Array): number => unwrap(l2Norm(vector));
const none: Examples = {
  datatype: 'UINT8',
  shape: [1],
  inputs: new Uint8Array(),
  labels: new Int32Array(),
};

/** Gives that delta, and remembers what it was asked. */
function trainerOf(delta: readonly number[], steps = 4) {
  const asked: { parameters: number[]; correction: number[] | undefined }[] = [];
  const trainer: LocalTrainer = {
    async train({ parameters, correction }) {
      asked.push({ parameters: [...parameters], correction: correction && [...correction] });
      return ok({ delta: Float32Array.from(delta), examples: 3, steps, completed: 1, loss: 1 });
    },
    async evaluate({ parameters }) {
      asked.push({ parameters: [...parameters], correction: undefined });
      return ok({ examples: 3, loss: 1, accuracy: 1 });
    },
  };
  return { trainer, asked };
}

const message = (more: Partial<TrainMessage> = {}): TrainMessage => ({
  type: 'train',
  run: 'run',
  round: 1,
  attempt: 1,
  plan,
  parameters: Float32Array.of(1, 2, 3, 4),
  ...more,
});

async function train(
  trainer: LocalTrainer,
  planned: Partial<LearnPlan>,
  state: ReadonlyMap<string, Uint8Array> = new Map(),
  more: Partial<TrainMessage> = {},
) {
  const work = { examples: { train: none, heldOut: none }, state, seed: 1 };
  const asked = message({ plan: { ...plan, ...planned }, ...more });
  const signal = new AbortController().signal;
  const ran = await runClient({ ...work, message: asked }, { trainer, mods }, signal);
  const { reply, state: put } = unwrap(ran);
  if (reply.type !== 'trained') throw new Error('it has trained');
  return { reply, state: put };
}

const context: ClientContext = {
  state: { get: () => undefined, put() {} },
  examples: { train: none, heldOut: none },
  lastOpened: -1,
  trainer: trainerOf([3, 4, 0, 0]).trainer,
  signal: new AbortController().signal,
  random: createRandom(1),
};

const clipped = async (norm: number, delta: readonly number[]): Promise<Result<TrainedReply>> => {
  const app = withMods(localApp, { train: [clip(norm)] });
  const reply = await app.train(message(), { ...context, trainer: trainerOf(delta).trainer });
  return reply as Result<TrainedReply>;
};

describe('mods', () => {
  it('[LEA5] the first sees the message first and the reply last; one may answer in the app’s place', async () => {
    const seen: string[] = [];
    const mod =
      (name: string): TrainMod =>
      async (asked, context, next) => {
        seen.push(`${name} in`);
        const reply = await next(asked, context);
        seen.push(`${name} out`);
        return reply;
      };
    const app = withMods(localApp, { train: [mod('a'), mod('b')] });
    unwrap(await app.train(message(), context));
    expect(seen).toEqual(['a in', 'b in', 'b out', 'a out']);
    const secure = { type: 'secure', stage: 'keys', payload: Uint8Array.of(1) } as const;
    const answers: TrainMod = async () => ok(secure);
    const other = withMods(localApp, { train: [answers, mod('never')] });
    expect(await other.train(message(), context)).toEqual(ok(secure));
    expect(seen).toHaveLength(4);
  });

  it('[LEA5] the loss of the model as it came is told where the plan asks for it', async () => {
    const { trainer, asked } = trainerOf([1, 1, 1, 1]);
    const told = await train(trainer, { startLoss: true });
    expect(told.reply.metrics).toEqual({ loss: 1, startLoss: 1 });
    expect(asked).toMatchObject([{ parameters: [1, 2, 3, 4] }, { parameters: [1, 2, 3, 4] }]);
    expect((await train(trainer, {})).reply.metrics).toEqual({ loss: 1 });
  });

  it('[LEA5] a plan’s mods are those that it asks for', () => {
    expect(modsOf(message(), mods).train).toHaveLength(1);
    const all = { clipNorm: 1, localNoise: 1, controlVariates: true, personal: ['head'] };
    expect(modsOf(message({ plan: { ...plan, ...all } }), mods).train).toHaveLength(5);
  });
});

describe('compression', () => {
  const topK = { kind: 'top-k', share: 0.25, errorFeedback: true } as const;

  it('[LEA16] goes by the plan, and what a coordinator reads is what was sent', async () => {
    const { trainer } = trainerOf([1, -2, 0, 4]);
    for (const compression of [{ kind: 'none' }, { kind: 'quantize', bits: 8 }] as const) {
      const { reply } = await train(trainer, { compression });
      const bytes = reply.packed?.bytes ?? new Uint8Array();
      const delta = unwrap(decodeUpdate(plan.layout, compression, bytes));
      const off = compression.kind === 'none' ? 1e-9 : 4 / 127;
      for (const [i, value] of [1, -2, 0, 4].entries())
        expect(Math.abs((delta[i] ?? 0) - value)).toBeLessThan(off);
    }
  });

  it('[LEA16] what top-k leaves out is added to the next update, and nothing is lost', async () => {
    const { trainer } = trainerOf([1, -2, 0, 4]);
    const sent = new Float32Array(4);
    let state: ReadonlyMap<string, Uint8Array> = new Map();
    for (let round = 1; round <= 10; round++) {
      const trained = await train(trainer, { compression: topK }, state);
      state = trained.state;
      const bytes = trained.reply.packed?.bytes ?? new Uint8Array();
      const delta = unwrap(decodeUpdate(plan.layout, topK, bytes));
      expect(delta.filter((value) => value !== 0)).toHaveLength(1);
      for (let i = 0; i < 4; i++) sent[i] = (sent[i] ?? 0) + (delta[i] ?? 0);
      const owed = unwrap(readVector(state.get('residual') ?? new Uint8Array(), 4));
      for (const [i, value] of [1, -2, 0, 4].entries())
        expect((sent[i] ?? 0) + (owed[i] ?? 0)).toBeCloseTo(round * value, 5);
    }
  });

  it('[LEA16] a control variate follows the update, compressed alike', async () => {
    const { trainer } = trainerOf([2, 0, -2, 0], 4);
    const control = Float32Array.of(1, 1, 0, 0);
    const { reply } = await train(trainer, { controlVariates: true }, new Map(), { control });
    const { bytes, controlAt } = reply.packed ?? { bytes: new Uint8Array() };
    const read = (part: Uint8Array) => [
      ...unwrap(decodeUpdate(plan.layout, { kind: 'none' }, part)),
    ];
    expect(read(bytes.subarray(0, controlAt))).toEqual([2, 0, -2, 0]);
    expect(read(bytes.subarray(controlAt)).map((n) => n + 0)).toEqual([-2, -1, 1, 0]);
  });
});

describe('local noise', () => {
  it('[LEA17] blurs an update by multiples of its clip, and nothing beside it is told', async () => {
    const { trainer } = trainerOf([30, 40, 0, 0]);
    const sum = [0, 0, 0, 0];
    const squares = [0, 0, 0, 0];
    const rounds = 400;
    for (let i = 0; i < rounds; i++) {
      const { reply } = await train(trainer, { clipNorm: 5, localNoise: 2 });
      expect(reply.metrics).toEqual({});
      for (const [j, value] of reply.delta.entries()) {
        sum[j] = (sum[j] ?? 0) + value / rounds;
        squares[j] = (squares[j] ?? 0) + value ** 2 / rounds;
      }
    }
    // σ = 10: the mean of 400 is within 5 σ / 20, the deviation within 25 %; either fails once in 10⁵ runs at most.
    for (const [j, mean] of [3, 4, 0, 0].entries()) {
      expect(Math.abs((sum[j] ?? 0) - mean)).toBeLessThan(2.5);
      const deviation = Math.sqrt((squares[j] ?? 0) - (sum[j] ?? 0) ** 2);
      expect(deviation).toBeGreaterThan(7.5);
      expect(deviation).toBeLessThan(12.5);
    }
  });

  it('[LEA17] is refused without a clip, and beside a control variate that would tell what it hides', async () => {
    const { trainer } = trainerOf([1, 1, 1, 1]);
    const work = { examples: { train: none, heldOut: none }, state: new Map(), seed: 1 };
    const signal = new AbortController().signal;
    for (const [planned, control] of [
      [{ localNoise: 1 }, undefined],
      [{ localNoise: 1, clipNorm: 1, controlVariates: true }, Float32Array.of(0, 0, 0, 0)],
    ] as const) {
      const asked = message({ plan: { ...plan, ...planned }, ...(control && { control }) });
      const ran = await runClient({ ...work, message: asked }, { trainer, mods }, signal);
      expect(ran).toMatchObject({ error: { code: 'invalid_argument' } });
    }
  });
});

describe('clip', () => {
  it('[LEA6] an update has at most the plan’s norm, and keeps its direction', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = createRandom(seed);
      const delta = Float32Array.from({ length: 4 }, () => 100 * random.gaussian());
      const bound = random.next() * 10 + 1e-3;
      const { delta: after } = unwrap(await clipped(bound, [...delta]));
      // Its numbers are float32.
      expect(norm(after)).toBeLessThanOrEqual(bound * (1 + 1e-6));
      expect(norm(after)).toBeGreaterThan(bound * 0.999);
      for (let i = 0; i < 4; i++)
        expect((after[i] ?? 0) / norm(after)).toBeCloseTo((delta[i] ?? 0) / norm(delta), 4);
    }
  });

  it('[LEA6] one that is shorter stays as it is, and one of noughts too', async () => {
    expect([...unwrap(await clipped(5, [3, 4, 0, 0])).delta]).toEqual([3, 4, 0, 0]);
    expect([...unwrap(await clipped(1, [0, 0, 0, 0])).delta]).toEqual([0, 0, 0, 0]);
    expect(unwrap(await clipped(1, [3, 4, 0, 0])).metrics).toMatchObject({ clipped: 1 });
  });

  it('[LEA6] one that is not finite is refused', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(await clipped(1, [bad, 0, 0, 0])).toMatchObject({ error: { code: 'runtime_failed' } });
  });
});

describe('tensors of the device’s own', () => {
  it('[LEA7] are trained from where the device left them, and never sent', async () => {
    const { trainer, asked } = trainerOf([1, 1, 10, 10]);
    const first = await train(trainer, { personal: ['head'] });
    expect([...first.reply.delta]).toEqual([1, 1, 0, 0]);
    const second = await train(trainer, { personal: ['head'] }, first.state, {
      parameters: Float32Array.of(5, 6, 7, 8),
    });
    expect(asked.map(({ parameters }) => parameters)).toEqual([
      [1, 2, 3, 4],
      [5, 6, 13, 14],
    ]);
    expect([...second.reply.delta]).toEqual([1, 1, 0, 0]);
    expect([...unwrap(readVector(second.state.get('personal') ?? new Uint8Array(), 2))]).toEqual([
      23, 24,
    ]);
  });

  it('[LEA7] are what it evaluates with', async () => {
    const { trainer, asked } = trainerOf([1, 1, 10, 10]);
    const { state } = await train(trainer, { personal: ['head'] });
    const evaluate = {
      ...message({ plan: { ...plan, personal: ['head'] } }),
      type: 'evaluate' as const,
    };
    const work = {
      message: evaluate,
      examples: { train: none, heldOut: none },
      seed: 1,
    };
    const signal = new AbortController().signal;
    unwrap(await runClient({ ...work, state }, { trainer, mods }, signal));
    expect(asked.at(-1)?.parameters).toEqual([1, 2, 13, 14]);
  });

  it('[LEA7] a plan that names one that there is not is refused', async () => {
    const work = { examples: { train: none, heldOut: none }, state: new Map(), seed: 1 };
    const asked = message({ plan: { ...plan, personal: ['other'] } });
    const { trainer } = trainerOf([0, 0, 0, 0]);
    const signal = new AbortController().signal;
    const ran = await runClient({ ...work, message: asked }, { trainer, mods }, signal);
    expect(ran).toMatchObject({ error: { code: 'invalid_argument' } });
  });
});

describe('control variates', () => {
  it('[LEA8] correct each gradient by c − cᵢ, and become −c − (y − x) / (K η) more', async () => {
    const { trainer, asked } = trainerOf([2, 0, -2, 0], 4);
    const control = Float32Array.of(1, 1, 0, 0);
    const first = await train(trainer, { controlVariates: true }, new Map(), { control });
    expect(asked[0]?.correction).toEqual([1, 1, 0, 0]);
    // K η = 4 · 0.5: Δcᵢ = −c − delta / 2.
    expect([...(first.reply.control ?? [])].map((n) => n + 0)).toEqual([-2, -1, 1, 0]);
    const second = await train(trainer, { controlVariates: true }, first.state, { control });
    expect(asked[1]?.correction).toEqual([3, 2, -1, 0]);
    const kept = unwrap(readVector(second.state.get('control') ?? new Uint8Array(), 4));
    expect([...kept].map((n) => n + 0)).toEqual([-4, -2, 2, 0]);
  });

  it('[LEA8] of tensors of the device’s own nothing is told', async () => {
    const { trainer } = trainerOf([2, 0, -2, 0], 4);
    const planned = { controlVariates: true, personal: ['head'] };
    const control = Float32Array.of(1, 1, 1, 1);
    const { reply } = await train(trainer, planned, new Map(), { control });
    expect([...(reply.control ?? [])].slice(2)).toEqual([0, 0]);
  });
});
