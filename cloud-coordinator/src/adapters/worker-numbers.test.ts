// A round's numbers in a thread: what they come to is what they come to here, and whatever ends the thread is a failure that is
// seen, after which it may be tried again.

import { createRandom, err, failure, ok } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { vectorBytes } from '@skerry/sync-protocol/learn';
import { createNodeCryptography } from '@skerry/sync-protocol/node';
import { sampleLearnPlan } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import { type AggregateWork, modelBytes, numbersHere } from '../learn/runs/round-numbers.ts';
import type { RunPlanInput } from '../learn/runs/run-plan.ts';
import { createStrategy, encodeState } from '../learn/strategies/index.ts';
import { sampleRunPlan } from '../testing/run-turns.ts';
import { createWorkerNumbers } from './worker-numbers.ts';

const size = 2_000;
const clients = 6;
const learn = sampleLearnPlan({
  layout: { tensors: [{ name: 'point', shape: [size] }] },
  compression: { kind: 'none' },
});
const random = createRandom(1);
const draw = () => Float32Array.from({ length: size }, () => random.gaussian());
const vectors = Array.from({ length: clients }, draw);
const read = async (place: number) => ok(vectorBytes(Float32Array.from(vectors[place] ?? [])));

function workOf(more: Partial<RunPlanInput> = {}, noise = false): AggregateWork {
  const plan = sampleRunPlan(more);
  const strategy = createStrategy(plan.strategy);
  const state = strategy.initialize(new Float32Array(size));
  return {
    kind: 'aggregate',
    plan,
    learn,
    state: modelBytes(strategy, state).state,
    stateDigest: encodeState(state).digest,
    updates: vectors.map((_, i) => ({
      client: `device-${i}`,
      examples: 10 + i,
      steps: 1,
      completed: 1,
      metrics: { loss: 1 },
      staleness: 0,
    })),
    ...(noise && { privacy: { clip: 1, noiseKey: new Uint8Array(32).fill(7) } }),
  };
}

const central = {
  noiseMultiplier: 1,
  samplingRate: 0.5,
  clients: 12,
  clip: { kind: 'fixed', norm: 1 },
} as const;
const plans: readonly [string, Partial<RunPlanInput>, boolean][] = [
  ['fedadam', { strategy: { name: 'fedadam' } }, false],
  ['noise', { privacy: { central, budget: { epsilonMax: 9, delta: 1e-5 } } }, true],
];

describe('a round’s numbers in a thread', { timeout: 60_000 }, () => {
  it.each(plans)('[RND23] come to the same bytes as here: %s', async (_, more, noise) => {
    const here = unwrap(
      await numbersHere(createNodeCryptography()).aggregate(workOf(more, noise), read),
    );
    const there = unwrap(await createWorkerNumbers().aggregate(workOf(more, noise), read));
    expect(unwrap(here.made).report.changed).toBe(true);
    expect(there).toEqual(here);
  });

  it('[RND23] fail where a part cannot be read, and where the thread ends; the next is tried anew', async () => {
    const numbers = createWorkerNumbers({ workMsMax: 10_000 });
    const gone = err(failure('storage_failed', 'the disk is gone'));
    expect(await numbers.aggregate(workOf(), async () => gone)).toEqual(gone);
    const broken = { ...workOf(), learn: undefined as never };
    expect(await numbers.aggregate(broken, read)).toMatchObject({ error: { code: 'internal' } });
    expect(await numbers.aggregate(workOf(), read)).toMatchObject({ ok: true });
  });

  it('[RND23] fail where a work or a part cannot be handed over, and none behind them does', async () => {
    const numbers = createWorkerNumbers({ workMsMax: 10_000 });
    const internal = { error: { code: 'internal' } };
    const odd = { ...workOf(), learn: (() => {}) as never };
    expect(await numbers.aggregate(odd, read)).toMatchObject(internal);
    const lost = async () => ok((() => {}) as never);
    expect(await numbers.aggregate(workOf(), lost)).toMatchObject(internal);
    expect(await numbers.aggregate(workOf(), read)).toMatchObject({ ok: true });
  });

  it('[RND23] end by their time, and no more wait than may', async () => {
    const numbers = createWorkerNumbers({ workMsMax: 500, waitingMax: 1 });
    const never = numbers.aggregate(workOf(), () => new Promise(() => {}));
    expect(await numbers.aggregate(workOf(), read)).toMatchObject({
      error: { code: 'overloaded' },
    });
    expect(await never).toMatchObject({ error: { code: 'deadline_exceeded' } });
  });
});
