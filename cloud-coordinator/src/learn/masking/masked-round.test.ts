// A coordinator and its devices with nothing between them but tasks and replies as they travel: devices train, mask and drop
// out, the coordinator is killed between any two steps, and the model is the one that updates in the clear would have made.

import { assert, createRandom, err, failure, ok } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { unwrap } from '@skerry/shared/testing';
import { decodeDownBody, decodeUpBody, encodeBody } from '@skerry/sync-protocol';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import {
  type LearnReply,
  type LearnTask,
  type SecureStage,
  secureBytesMax,
  secureStages,
} from '@skerry/sync-protocol/learn';
import { quantiseInput } from '@skerry/sync-protocol/secure-aggregation';
import { createSecureCohort, plainSum, wordsOfSum } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import { createStrategy, strategyOptionsSchema } from '../strategies/index.ts';
import {
  checkKeys,
  closeMasked,
  isDue,
  type MaskedPorts,
  type MaskedStage,
  maskedStageSchema,
  maskedWork,
  type OpenedSum,
  openMaskedRound,
  openMaskedSum,
  takeMasked,
  updateOf,
} from './masked-round.ts';
import { maskingSchema, securePlanOf } from './masking-plan.ts';

const values = 20_000; // A masked vector does not fit a reply.
const devices = 7;
const masking = maskingSchema.parse({ adversary: 'curious' });
const plan = unwrap(
  securePlanOf(masking, { clientsMax: devices, values, examplesMax: 600, clipNorm: 1 }),
);
const stageMs = 60_000;

function createFleet(seed = 1) {
  const cohort = createSecureCohort(devices);
  const random = createRandom(seed);
  const blobs = new Map<string, Uint8Array>();
  const put = (bytes: Uint8Array): BlobRef => {
    const ref = { digest: sha256(bytes), bytes: bytes.length };
    blobs.set(ref.digest, bytes);
    return ref;
  };
  const read = ({ digest }: BlobRef) => {
    const bytes = blobs.get(digest);
    return bytes ? ok(bytes) : err(failure('not_found', digest));
  };
  const ports: MaskedPorts = {
    cryptography: cohort.cryptography,
    verifier: cohort.verifier,
    blobs: {
      read: async (ref) => read(ref),
      put: async (bytes) => ok(put(bytes)),
      show: async (bytes) => ok(put(bytes)),
    },
    readFrom: async (_, ref) => read(ref),
    nowMs: () => 1_000,
  };
  const trained = new Map(
    [...cohort.members.keys()].map((name) => {
      const examples = 1 + random.below(600);
      const update = Float32Array.from({ length: values }, () => random.gaussian() / 200);
      const { words } = unwrap(quantiseInput(plan, update, examples, cohort.cryptography));
      return [name, { update, examples, words }];
    }),
  );

  /** What a device says to a task, each as its bytes travel. */
  const replyTo = (device: string, asked: LearnTask): LearnReply => {
    const task = unwrap(decodeDownBody(unwrap(encodeBody(asked))));
    assert(task.kind === 'learn-task', 'a task');
    const { run, round, attempt, work } = task;
    const { participant } = cohort.members.get(device) ?? missing();
    const session = { run, round, attempt };
    const words =
      work.type === 'secure'
        ? participant.take(
            session,
            work.payload instanceof Uint8Array ? work.payload : unwrap(read(work.payload)),
            trained.get(device)?.words,
          )
        : participant.join(session, plan);
    const stage = work.type === 'secure' ? work.stage : 'keys';
    const result: LearnReply['result'] = words.ok
      ? {
          type: 'secure',
          stage,
          payload: words.value.length <= secureBytesMax ? words.value : put(words.value),
        }
      : { type: 'failed', code: words.error.code, message: words.error.message };
    const reply = unwrap(
      decodeUpBody(unwrap(encodeBody({ kind: 'learn-reply', ...session, result }))),
    );
    assert(reply.kind === 'learn-reply', 'a reply');
    return reply;
  };
  return { cohort, ports, trained, replyTo, blobs };
}

const missing = (): never => assert(false, 'it is there') as never;
type Fleet = ReturnType<typeof createFleet>;
type Silence = ReadonlyMap<string, SecureStage>;

const isSilent = (silence: Silence, device: string, stage: SecureStage): boolean => {
  const from = silence.get(device);
  return from !== undefined && secureStages.indexOf(stage) >= secureStages.indexOf(from);
};

/** What a coordinator that comes after a kill has: the record as it was written, and blobs. */
const revived = (at: MaskedStage): MaskedStage =>
  maskedStageSchema.parse(JSON.parse(JSON.stringify(at)));

async function play(fleet: Fleet, round: number, silence: Silence, attempt = 1) {
  const { ports, replyTo, cohort } = fleet;
  const session = { run: 'run-1', round, attempt };
  const taskOf = (work: LearnTask['work']): LearnTask => ({
    kind: 'learn-task',
    ...session,
    deadlineLeftMs: stageMs,
    work,
  });
  const keys = new Map<string, Uint8Array>();
  for (const device of cohort.members.keys()) {
    if (isSilent(silence, device, 'keys')) continue;
    const parameters = { digest: sha256(new Uint8Array(1)), bytes: values * 4 };
    const train = taskOf({ type: 'train', plan: new Uint8Array(1), parameters });
    const { result } = replyTo(device, train);
    assert(result.type === 'secure' && result.payload instanceof Uint8Array, 'its keys');
    unwrap(checkKeys(session, plan, device, result.payload, ports));
    keys.set(device, result.payload);
  }
  const opened = await openMaskedRound(ports, session, plan, keys, stageMs);
  if (!opened.ok) return opened;
  let at = opened.value;
  for (;;) {
    const work = unwrap(await maskedWork(ports, revived(at)));
    for (const [device, asked] of work) {
      if (isSilent(silence, device, at.stage)) continue;
      const { result } = replyTo(device, taskOf(asked));
      const taken = unwrap(await takeMasked(ports, revived(at), [{ device, result }]));
      expect(taken.refused).toEqual([]);
      at = taken.next;
      // Killed before the reply was closed: it is read once more.
      const again = unwrap(await takeMasked(ports, revived(at), [{ device, result }]));
      expect(again.next).toEqual(at);
    }
    expect(isDue(at, 0)).toBe(at.waiting.length === 0);
    expect(isDue(at, at.untilMs)).toBe(true);
    if (at.stage === 'unmask') {
      const { state, inputs } = revived(at);
      const round = unwrap(await ports.blobs.read(state));
      const names = inputs.map(({ device }) => device);
      const readAt = (place: number) => ports.blobs.read(inputs[place]?.input ?? missing());
      return openMaskedSum(round, names, readAt, ports.cryptography);
    }
    const closed = await closeMasked(ports, revived(at), stageMs);
    if (!closed.ok) return closed;
    at = closed.value;
  }
}

function expectSum({ trained }: Fleet, sum: OpenedSum, survivors: readonly string[]): void {
  expect(sum.survivors).toEqual(survivors);
  expect(sum.liars).toEqual([]);
  const heard = survivors.map((name) => trained.get(name) ?? missing());
  expect(wordsOfSum(sum.aggregate)).toEqual(plainSum(heard.map(({ words }) => words)));
}

describe('a masked round', () => {
  it('[MSK1] makes the model that updates in the clear would have made', async () => {
    const fleet = createFleet();
    const names = [...fleet.cohort.members.keys()];
    const sum = unwrap(await play(fleet, 0, new Map()));
    expectSum(fleet, sum, names);
    const strategy = createStrategy(strategyOptionsSchema.parse({ name: 'fedavg' }));
    const before = strategy.initialize(new Float32Array(values));
    const masked = unwrap(strategy.aggregateTrain(before, [updateOf(sum)])).state.parameters;
    const updates = [...fleet.trained].map(([client, { update, examples }]) => {
      const counts = { metrics: {}, completed: 1, steps: 1, staleness: 0 };
      // Weights are told apart as finely as the plan says.
      const weight = Math.max(1, Math.round(examples / 3));
      return { client, examples: weight, delta: update, ...counts };
    });
    const clear = unwrap(strategy.aggregateTrain(before, updates)).state.parameters;
    assert(plan.encoding.kind === 'grid', 'a grid');
    const step = 2 / plan.encoding.levels;
    expect(step).toBeLessThan(1e-6);
    for (let i = 0; i < values; i++)
      expect(Math.abs((masked[i] ?? 0) - (clear[i] ?? 0))).toBeLessThan(2 * step);
  });

  it.each(secureStages)('[MSK2] goes on without a device that drops out at %s', async (stage) => {
    const fleet = createFleet(2);
    const names = [...fleet.cohort.members.keys()];
    const sum = unwrap(await play(fleet, 1, new Map([['c03', stage]])));
    const isIn = ['consistency', 'unmask'].includes(stage);
    expectSum(fleet, sum, isIn ? names : names.filter((name) => name !== 'c03'));
  });

  it('[MSK2] goes on without one at each stage, in a fleet that is large enough', async () => {
    const fleet = createFleet(3);
    const silence: Silence = new Map([
      ['c00', 'shares'],
      ['c02', 'input'],
      ['c04', 'consistency'],
    ]);
    const sum = unwrap(await play(fleet, 2, silence));
    expectSum(fleet, sum, ['c01', 'c03', 'c04', 'c05', 'c06']);
  });

  it('[MSK3] is over where too few are left, and its next attempt begins with new keys', async () => {
    const fleet = createFleet(4);
    const names = [...fleet.cohort.members.keys()];
    const silence: Silence = new Map(names.slice(0, 4).map((name) => [name, 'input']));
    expect(await play(fleet, 3, silence)).toMatchObject({ error: { code: 'unavailable' } });
    const sum = unwrap(await play(fleet, 3, new Map(), 2));
    expectSum(fleet, sum, names);
    const keyless: Silence = new Map(names.slice(0, 5).map((name) => [name, 'keys']));
    expect(await play(fleet, 4, keyless)).toMatchObject({ error: { code: 'unavailable' } });
  });

  it('[MSK4] waits no longer for who cannot, and for who says what is no answer', async () => {
    const fleet = createFleet(5);
    const { ports, cohort } = fleet;
    const session = { run: 'run-1', round: 5, attempt: 1 };
    const keys = new Map(
      [...cohort.members].map(([name, { participant }]) => [
        name,
        unwrap(participant.join(session, plan)),
      ]),
    );
    const at = unwrap(await openMaskedRound(ports, session, plan, keys, stageMs));
    const garbage = { type: 'secure', stage: 'shares', payload: Uint8Array.of(1) } as const;
    const { next, refused } = unwrap(
      await takeMasked(ports, at, [
        { device: 'c00', result: { type: 'failed', code: 'internal', message: 'no memory' } },
        { device: 'c01', result: { type: 'declined', reason: 'busy' } },
        { device: 'c02', result: garbage },
        { device: 'c03', result: { ...garbage, stage: 'input' } },
        { device: 'd00', result: garbage },
      ]),
    );
    expect(next.waiting).toEqual(['c03', 'c04', 'c05', 'c06']);
    expect(refused.map(({ device }) => device)).toEqual(['c02']);
    expect(checkKeys(session, plan, 'c00', keys.get('c01') ?? missing(), ports)).toMatchObject({
      error: { code: 'untrusted' },
    });
  });

  it('[MSK5] keeps no update in the clear', async () => {
    const fleet = createFleet(6);
    unwrap(await play(fleet, 6, new Map()));
    const clear = [...fleet.trained.values()].map(({ words }) =>
      Buffer.from(words.buffer, 8, 64).toString('hex'),
    );
    for (const bytes of fleet.blobs.values()) {
      const hex = Buffer.from(bytes).toString('hex');
      for (const words of clear) expect(hex).not.toContain(words);
    }
  });
});

describe('a masked plan', () => {
  const of = { clientsMax: 10, values: 10, examplesMax: 100, clipNorm: 0.5 };

  it('[MSK6] has the finest grid that fits, within the clip', () => {
    const { encoding } = unwrap(securePlanOf(masking, of));
    expect(encoding).toMatchObject({ kind: 'grid', range: 0.5, weightMax: 255 });
    assert(encoding.kind === 'grid', 'a grid');
    expect(encoding.levels).toBe(Math.floor((2 ** 32 - 1) / 2_550));
  });

  it('[MSK6] is none without a range, in a ring too small, or for a threshold above its clients', () => {
    const { clipNorm: _, ...unclipped } = of;
    for (const bad of [
      securePlanOf(masking, unclipped),
      securePlanOf({ ...masking, ringBits: 8 }, of),
      securePlanOf({ ...masking, thresholdMin: 11 }, of),
      securePlanOf(masking, { ...of, clientsMax: 65 }),
    ])
      expect(bad).toMatchObject({ error: { code: 'invalid_argument' } });
  });
});
