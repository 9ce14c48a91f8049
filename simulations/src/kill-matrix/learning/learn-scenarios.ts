// Learning runs whose coordinator is killed: small ones that have in their logs all that a log can hold, with devices that
// decline, send what is no update, or fall silent in the midst of a masked round.

import type { RunPlanInput } from '@skerry/cloud-coordinator/runs';
import type { LearnDevicesOptions, LearnResult } from '@skerry/cloud-coordinator/testing';
import { assert, createRandom, defined } from '@skerry/shared';
import { createSeededBytes, unwrap } from '@skerry/shared/testing';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import { type LearnTask, readVector } from '@skerry/sync-protocol/learn';
import { decodeSecurePlan, quantiseInput } from '@skerry/sync-protocol/secure-aggregation';
import { createSecureCohort } from '@skerry/sync-protocol/testing';

export interface LearnScenario {
  readonly name: string;
  readonly devices: number;
  readonly plan: Partial<RunPlanInput>;
  /** Anew for each world. */
  begin(read: (ref: BlobRef) => Promise<Uint8Array>): {
    readonly answer: LearnDevicesOptions['answer'];
    readonly credentials: Readonly<Record<string, Uint8Array>>;
  };
}

export const learnSeed = 3;
/** Numbers of a model. */
export const learnSize = 64;

const strategies = (name: string, plan: Partial<RunPlanInput>): LearnScenario => ({
  name,
  devices: 7,
  plan: {
    rounds: 2,
    clients: { target: 5, min: 3, overSelect: 1.3 },
    evaluate: { everyRounds: 2, clients: 3 },
    ...plan,
  },
  begin: () => ({ answer: answerInTheClear, credentials: {} }),
});

/** One declines, one's update is no update. */
const answerInTheClear: LearnDevicesOptions['answer'] = (device, { round, work }, own) => {
  if (device === 'device-3' && round === 1) return { type: 'declined', reason: 'hot' };
  const result = own();
  return device === 'device-5' && result.type === 'trained' && work.type === 'train'
    ? { ...result, steps: 1_000_000 }
    : result;
};

export const learnScenarios: readonly LearnScenario[] = [
  strategies('fedavg', { strategy: { name: 'fedavg' } }),
  strategies('fedadam', { strategy: { name: 'fedadam' } }),
  strategies('scaffold', { strategy: { name: 'scaffold', clients: 7 } }),
  {
    name: 'masked',
    devices: 6,
    plan: {
      rounds: 2,
      clients: { target: 6, min: 3, overSelect: 1 },
      masking: { adversary: 'curious', thresholdMin: 2, range: 8, stageMs: 5_000 },
      work: { learningRate: 1, examplesMax: 1_000 },
      timeouts: { gatherMs: 0, roundMs: 10_000 },
    },
    begin: beginMasked,
  },
  strategies('private', {
    clients: { target: 5, min: 1, overSelect: 1 },
    sampling: { kind: 'poisson', share: 0.8 },
    privacy: {
      central: {
        noiseMultiplier: 1,
        samplingRate: 0.8,
        clients: 7,
        clip: { kind: 'fixed', norm: 1 },
      },
      budget: { epsilonMax: 50, delta: 1e-5 },
    },
  }),
];

/** One is silent from `input` on, and its masks are to be taken off again; another has sent its vector, and is silent then. */
function beginMasked(read: (ref: BlobRef) => Promise<Uint8Array>) {
  const names = Array.from({ length: 6 }, (_, i) => `device-${i + 1}`);
  const cohort = createSecureCohort(names);
  const members = [...cohort.members];
  const inputs = new Map<string, Uint32Array>();
  const answer = async (device: string, task: LearnTask): Promise<LearnResult | undefined> => {
    const { run, round, attempt, work: asked } = task;
    const { participant } = defined(cohort.members.get(device), device);
    const session = { run, round, attempt };
    if (asked.type === 'secure') {
      if (device === 'device-5' && asked.stage === 'input') return undefined;
      if (device === 'device-2' && asked.stage === 'consistency') return undefined;
      assert(asked.payload instanceof Uint8Array, 'it fits a task');
      const taken = unwrap(participant.take(session, asked.payload, inputs.get(device)));
      return { type: 'secure', stage: asked.stage, payload: taken };
    }
    assert(asked.type === 'train' && asked.secure !== undefined, 'a masked task');
    const plan = unwrap(decodeSecurePlan(asked.secure));
    const model = unwrap(readVector(await read(asked.parameters), learnSize));
    const place = names.indexOf(device);
    const pull = createRandom(learnSeed).fork(100 + place);
    const update = model.map((value) => pull.gaussian() - value);
    // What is rounded up and what down is a device's own chance: the same in each world.
    const own = createSeededBytes(1 + place + 100 * round);
    const randomBytes = (count: number): Uint8Array => {
      const bytes = new Uint8Array(count);
      own.fill(bytes);
      return bytes;
    };
    const quantised = quantiseInput(plan, update, 100, { ...cohort.cryptography, randomBytes });
    inputs.set(device, unwrap(quantised).words);
    return { type: 'secure', stage: 'keys', payload: unwrap(participant.join(session, plan)) };
  };
  const credentials = members.map(([name, { ports }]) => [name, ports.signer.credential] as const);
  return { answer, credentials: Object.fromEntries(credentials) };
}
