import { evaluateExperiment } from '@skerry/cloud-coordinator/rollouts';
import { goodBehaviour } from '@skerry/cloud-coordinator/testing';
import { defined } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { type FleetBugName, fleetBugs } from './fleet-bugs.ts';
import { startFleetRun } from './fleet-run.ts';
import {
  type FleetSize,
  findsBug,
  goodVersion,
  lateFault,
  massReturn,
  threePointsWorse,
} from './fleet-scenarios.ts';

const size: FleetSize = { devices: 500, seed: 1, canary: 300, herdPerMinute: 40, executedMax: 300 };
const rough = { canary: 100, herdPerMinute: 20, offlineShare: 0.2, flakyShare: 0.04 };

describe('a simulated fleet', () => {
  it.each([
    ['a good version', goodVersion],
    ['a fault found late', lateFault],
    ['a mass return', massReturn],
  ])('passes %s', async (_, scenario) => {
    const { passed, lines } = await scenario({ ...size, canary: 100 });
    expect(passed, lines.join('\n')).toBe(true);
  });

  it('[GAT2] catches three points less accuracy in the canary', async () => {
    const { passed, lines } = await threePointsWorse({
      ...size,
      devices: 1_000,
      canary: 300,
      executedMax: 300,
    });
    expect(passed, lines.join('\n')).toBe(true);
  });

  it('[EXP1] tells in an experiment which arm is better, each device having found its own', async () => {
    const behaviour = { cloudMiss: goodBehaviour.cloudMiss - 0.08 };
    const run = await startFleetRun({
      devices: 400,
      seed: 1,
      canary: 400,
      herdPerMinute: 400,
      candidateShare: 0.5,
      behaviour,
    });
    expect(await run.pass(40 * 60_000, ({ phase }) => phase.kind !== 'running')).toBeUndefined();
    const report = defined(evaluateExperiment(run.state()), 'there is an experiment');
    expect(report.mismatch).toBe(false);
    expect(report.controlDevices).toBeGreaterThan(100);
    const effect = report.effects.find(({ sign }) => sign === 'disagreements');
    expect(effect?.estimate).toBeLessThan(-0.03);
    expect(effect?.estimate).toBeGreaterThan(-0.13);
    expect(run.onCandidate()).toBeLessThanOrEqual(report.candidateDevices + 20);
  });

  it('replays a seed exactly', async () => {
    const one = await goodVersion({ ...size, devices: 200, canary: 60 });
    expect(await goodVersion({ ...size, devices: 200, canary: 60 })).toEqual(one);
  });

  it.each(Object.keys(fleetBugs) as FleetBugName[])('finds %s', async (bug) => {
    const violation = await findsBug({ devices: 300, seed: 1, ...rough, lateJoiners: 10, bug });
    expect(violation?.rule).toBe(fleetBugs[bug].rule);
  });

  it('and finds nothing where nothing is planted', async () => {
    expect(await findsBug({ devices: 300, seed: 1, ...rough, lateJoiners: 10 })).toBeUndefined();
    expect((await startFleetRun({ devices: 300, seed: 1, ...rough })).replays()).toBe(true);
  });
});
