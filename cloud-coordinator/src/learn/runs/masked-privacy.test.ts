// Private runs in which nobody has a sum without noise: what a model has of it, what is written down for it, and when.

import { defined } from '@skerry/shared';
import { clipToNorm } from '@skerry/shared/privacy';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import { playMasked, silentFrom } from '../../testing/play-masked.ts';
import { sampleRunPlan, weightsOf } from '../../testing/run-turns.ts';
import { epsilonAfter } from '../privacy/index.ts';
import { defaultOrders } from '../privacy/orders.ts';
import type { RunPlan, RunPlanInput } from './run-plan.ts';
import { openRuns } from './runs.ts';

const size = 4_096;
const clip = 2;
const budget = { epsilonMax: 20, delta: 1e-5 };
const distributed = { noiseMultiplier: 1.5, clip };
const masking = { adversary: 'curious', thresholdMin: 3, stageMs: 5_000 } as const;
const plan = (more: Partial<RunPlanInput> = {}): RunPlan =>
  sampleRunPlan({
    masking,
    work: { learningRate: 1, examplesMax: 1_000 },
    rounds: 1,
    clients: { target: 6, min: 3, overSelect: 1 },
    timeouts: { gatherMs: 0, roundMs: 10_000 },
    privacy: { distributed, budget },
    ...more,
  });

type Played = Awaited<ReturnType<typeof playMasked>>;

/** Of each number of the model, against the mean of what these have clipped. */
async function noiseOf({ fleet, state }: Played, survivors: readonly string[]): Promise<number> {
  const weights = await weightsOf(fleet, state);
  const updates = survivors.map((name) =>
    unwrap(clipToNorm(defined(fleet.pulls.get(name), name), clip)),
  );
  const squares = weights.reduce((sum, weight, i) => {
    const mean = updates.reduce((all, update) => all + (update[i] ?? 0), 0) / survivors.length;
    return sum + (weight - mean) ** 2;
  }, 0);
  return Math.sqrt(squares / size);
}

const expectNoise = (found: number, sigma: number): void =>
  expect(Math.abs((found / sigma) ** 2 - 1)).toBeLessThan(6.5 * Math.sqrt(2 / size));

/** Each once: a stage stands in the log as often as somebody has answered it. */
const paid = ({ history }: Played): string[] =>
  history
    .map((event) => (event.kind === 'masked' ? event.record.stage : event.kind))
    .filter((kind) => /consistency|unmask|privacy|aggregated|spent/.test(kind))
    .filter((kind, i, all) => kind !== all[i - 1]);

describe('a masked run with noise of its devices', () => {
  it('[PRV18] has the noise of all who are in its sum, and pays for that of the fewest', async () => {
    const played = await playMasked(plan(), undefined, { size });
    const { state } = played;
    expect(state.phase).toMatchObject({ kind: 'completed' });
    // z is of three, and six are in it.
    const z = 1.5 * Math.sqrt(6 / 3);
    const sigma = (z * clip) / 6;
    expectNoise(await noiseOf(played, played.names), sigma);
    const [aggregated] = played.history.filter((event) => event.kind === 'aggregated');
    expect(aggregated).toMatchObject({ clip, noiseSigma: expect.closeTo(sigma, 9) });
    const [round] = state.history;
    expect(round?.noiseMultiplier).toBeCloseTo(z, 9);
    const reading = {
      ...budget,
      conversion: 'canonne-kamath-steinke',
      orders: defaultOrders,
    } as const;
    const counted = epsilonAfter(1, { samplingRate: 1, noiseMultiplier: 1.5 }, reading);
    expect(round?.epsilon).toBeCloseTo(counted.epsilon, 9);
  });

  it('[PRV18] goes on without who drops out, with the less noise that it says', async () => {
    const gone = new Map([
      ['device-1', 'input'],
      ['device-4', 'input'],
    ] as const);
    const played = await playMasked(plan(), silentFrom(gone), { size });
    const survivors = played.names.filter((name) => !gone.has(name as 'device-1'));
    expectNoise(await noiseOf(played, survivors), (1.5 * Math.sqrt(4 / 3) * clip) / 4);
    expect(played.state.history[0]?.noiseMultiplier).toBeCloseTo(1.5 * Math.sqrt(4 / 3), 9);
  });

  it('[PRV18] is written down with the last question, before anybody can open the sum', async () => {
    const played = await playMasked(plan({ rounds: 2 }));
    const once = ['consistency', 'privacy-committed', 'unmask', 'privacy-released', 'aggregated'];
    expect(paid(played)).toEqual([...once, ...once]);
  });

  it('[PRV18] an attempt that comes to nothing before that costs nothing, and one after it all', async () => {
    const before = await playMasked(
      plan(),
      (device, stage, attempt) => attempt === 1 && stage !== 'keys' && device > 'device-2',
    );
    expect(before.state.privacy?.ledger).toMatchObject({ committed: 1, released: 1 });
    const revealed = new Set<string>();
    const after = await playMasked(
      plan({ clients: { target: 4, min: 3, overSelect: 1 } }),
      (device, stage, attempt) => {
        if (attempt > 1 || stage !== 'unmask') return false;
        if (revealed.size < 2) revealed.add(device);
        return !revealed.has(device);
      },
    );
    expect(after.state.phase).toMatchObject({ kind: 'completed' });
    expect(after.state.privacy?.ledger).toMatchObject({ committed: 2, released: 1 });
  });

  it('[PRV18] ends before the round that it cannot pay, with what it has', async () => {
    const { state } = await playMasked(
      plan({ rounds: 50, privacy: { distributed, budget: { epsilonMax: 8, delta: 1e-5 } } }),
    );
    expect(state.phase).toMatchObject({ kind: 'completed' });
    expect(state.setback).toMatch(/the privacy budget is spent/);
    expect(state.round).toBeGreaterThan(1);
    expect(state.round).toBeLessThan(50);
  });

  it('[PRV18] is refused where its parameters do not fit', async () => {
    const fleet = createLearnFleet({ devices: 6, size: 5_000 });
    const runs = unwrap(await openRuns(fleet.ports));
    const privacy = (
      more: Partial<typeof distributed & { honestMin: number }>,
      epsilonMax = 20,
    ) => ({
      privacy: { distributed: { ...distributed, ...more }, budget: { epsilonMax, delta: 1e-5 } },
    });
    const refused: [Partial<RunPlanInput>, RegExp][] = [
      [{ masking: undefined }, /noise of devices is for masked runs/],
      [privacy({ honestMin: 4 }), /a sum of 3 may be opened: 4 cannot be counted on/],
      [{ clients: { target: 2, min: 2, overSelect: 1 } }, /a sum of 3 is never one of 2 clients/],
      [{ masking: { ...masking, ringBits: 16 } }, /too small for 5000 numbers with this noise/],
      [
        { masking: { ...masking, ringBits: 8 }, ...privacy({ noiseMultiplier: 0.3 }) },
        /a ring of 8 bits is too small for this noise/,
      ],
      [{ masking: { ...masking, range: 1 } }, /masking has no range/],
      [privacy({}, 0.1), /the privacy budget has not one round/],
      [{ strategy: { name: 'median' } }, /median looks at/],
    ];
    for (const [more, message] of refused)
      expect(await runs.start(plan(more), 'me')).toMatchObject({
        error: { code: 'invalid_argument', message: expect.stringMatching(message) },
      });
  });
});
