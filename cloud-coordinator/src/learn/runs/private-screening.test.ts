import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import { sampleRunPlan, turnRuns } from '../../testing/run-turns.ts';
import type { RunPlanInput } from './run-plan.ts';
import { openRuns } from './runs.ts';

/** A round of ten devices, of which the first sends what stands out among the others'. */
async function contributionsOf(more: Partial<RunPlanInput>) {
  let far = { digest: '', bytes: 0 };
  const fleet = createLearnFleet({
    devices: 10,
    answer: (device, _, own) => {
      const result = own();
      return device === 'device-1' && result.type === 'trained'
        ? { ...result, update: far }
        : result;
    },
  });
  far = await fleet.putUpdate(new Float32Array(8).fill(1_000));
  const runs = unwrap(await openRuns(fleet.ports));
  const clients = { target: 10, min: 1, overSelect: 1 };
  unwrap(await runs.start(sampleRunPlan({ rounds: 1, clients, ...more }), 'me'));
  expect(await turnRuns(fleet, runs)).toBe(true);
  const events = unwrap(await runs.history('run-1'));
  return events.flatMap((event) => (event.kind === 'aggregated' ? event.contributions : []));
}

describe('an update that stands out', () => {
  it('[PRV16] is in the sum of a private round, where it is clipped: who else came does not decide', async () => {
    const made = await contributionsOf({
      sampling: { kind: 'poisson', share: 1 },
      privacy: {
        central: {
          noiseMultiplier: 1,
          samplingRate: 1,
          clients: 10,
          clip: { kind: 'fixed', norm: 1 },
        },
        budget: { epsilonMax: 100, delta: 1e-3 },
      },
    });
    expect(made.map(({ used }) => used)).toEqual(new Array(10).fill(true));
    expect(made.every(({ reason }) => reason === undefined)).toBe(true);
  });

  it('[PRV16] is held against the others where nothing is promised about them', async () => {
    const made = await contributionsOf({});
    expect(made.filter(({ used }) => !used)).toMatchObject([
      { device: 'device-1', reason: 'norm-above-cohort' },
    ]);
  });
});
