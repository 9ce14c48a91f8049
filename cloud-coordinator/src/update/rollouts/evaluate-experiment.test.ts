import { assert, createRandom } from '@skerry/shared';
import { armOf } from '@skerry/sync-protocol/update';
import { describe, expect, it } from 'vitest';
import {
  candidateDigest,
  incumbentDigest,
  sampleBundleRef,
  sampleHealth,
  samplePlan,
} from '../../testing/sample-rollout.ts';
import { evaluateExperiment } from './evaluate-experiment.ts';
import type { RolloutEvent } from './rollout-event.ts';
import { begin, type RolloutState, transition } from './rollout-state.ts';

const experiment = { id: 'trial-1', candidateShare: 0.5 };
const base = samplePlan();

interface Trial {
  readonly devices: number;
  readonly seed: number;
  /** What the candidate adds to the share of wrong answers, and what the season adds for everybody. */
  readonly effect?: number;
  readonly season?: number;
  /** Of the candidate's arm, those who are never heard. */
  readonly lost?: number;
}

function run({ devices, seed, effect = 0, season = 0, lost = 0 }: Trial): RolloutState {
  const random = createRandom(seed);
  const names = Array.from({ length: devices }, (_, i) => `device-${i}`);
  const wrong = (share: number): number =>
    Array.from({ length: 20 }, () => random.next()).filter((each) => each < share).length;
  const reports = names.flatMap((device) => {
    const arm = armOf(experiment, device);
    if (arm === 'candidate' && random.next() < lost) return [];
    const level = 0.02 + 0.06 * random.next();
    const after = level + season + (arm === 'candidate' ? effect : 0);
    return [
      {
        device,
        op: 1,
        state: arm === 'control' ? ('assigned' as const) : ('confirmed' as const),
        arm,
        baseline: sampleHealth(wrong(level)),
        health: sampleHealth(wrong(after)),
      },
    ];
  });
  const events: RolloutEvent[] = [
    {
      kind: 'joined',
      atMs: 1,
      members: names.map((device) => ({
        device,
        site: 's',
        wave: 0,
        online: true,
        running: incumbentDigest,
      })),
    },
    { kind: 'reported', atMs: 2, reports },
    {
      kind: 'heard',
      atMs: 3,
      devices: reports
        .filter(({ arm }) => arm === 'candidate')
        .map(({ device }) => ({ device, online: true, running: candidateDigest, seenMs: 3 })),
    },
  ];
  const state = begin({
    kind: 'created',
    atMs: 0,
    by: 'an operator',
    plan: { ...base, device: { ...base.device, experiment } },
    candidate: sampleBundleRef(),
    waves: [{ where: {}, below: 1, approval: false, size: devices }],
  });
  return events.reduce((each, event) => transition(each, event).state, state);
}
const audits = (state: RolloutState) =>
  evaluateExperiment(state)?.effects.find(({ sign }) => sign === 'audits');

describe('an experiment', () => {
  it('[EXP1] tells a worse and a better candidate, with the size of it', () => {
    const worse = audits(run({ devices: 2_000, seed: 1, effect: 0.06 }));
    expect(worse).toMatchObject({ finding: 'worse' });
    expect(worse?.lower).toBeLessThan(0.06);
    expect(worse?.upper).toBeGreaterThan(0.06);
    expect(audits(run({ devices: 2_000, seed: 1, season: 0.1, effect: -0.06 }))?.finding).toBe(
      'better',
    );
  });

  it('[EXP1] is spoiled by no device that says what cannot be', () => {
    const state = run({ devices: 2_000, seed: 1, effect: 0.06 });
    const [[name, member] = [], ...others] = [...state.members];
    assert(name !== undefined && member?.health !== undefined, 'somebody who tells how it is');
    const health = { ...member.health, audit: { answers: 1, agreed: 1_000 } };
    const members = new Map([[name, { ...member, health }], ...others]);
    const odd = audits({ ...state, members });
    expect(odd?.finding).toBe('worse');
    expect(odd?.estimate).toBeCloseTo(audits(state)?.estimate ?? 0, 2);
  });

  it('[EXP1] is not deceived by what happens to both arms', () => {
    expect(audits(run({ devices: 2_000, seed: 2, season: 0.3 }))?.finding).toBe('none-shown');
  });

  it('[EXP2] finds no difference where there is none, in all but delta of experiments, at any look', () => {
    let shown = 0;
    for (let seed = 0; seed < 30; seed++)
      for (const devices of [50, 150, 400])
        if (
          evaluateExperiment(run({ devices, seed }))?.effects.some(
            (e) => e.finding !== 'none-shown',
          )
        ) {
          shown++;
          break;
        }
    expect(shown).toBeLessThanOrEqual(3);
  });

  it('[EXP3] says when one arm has lost its devices', () => {
    expect(evaluateExperiment(run({ devices: 1_000, seed: 3 }))?.mismatch).toBe(false);
    expect(evaluateExperiment(run({ devices: 1_000, seed: 3, lost: 0.3 }))?.mismatch).toBe(true);
  });

  it('[EXP3] is none where the plan names none', () => {
    const { plan, ...rest } = run({ devices: 10, seed: 1 });
    const { experiment: _, ...device } = plan.device;
    expect(evaluateExperiment({ ...rest, plan: { ...plan, device } })).toBeUndefined();
  });
});
