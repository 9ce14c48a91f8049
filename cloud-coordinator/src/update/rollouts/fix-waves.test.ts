import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selects } from '../../fleet/selection.ts';
import { sampleFleet, samplePlan } from '../../testing/sample-rollout.ts';
import { checkFeasibility } from './check-feasibility.ts';
import { fixWaves, waveOf } from './fix-waves.ts';
import { type RolloutPlanInput, rolloutPlanSchema } from './rollout-plan.ts';

const fleet = sampleFleet(1_000);
const sizesOf = (plan: Partial<RolloutPlanInput>, devices = fleet): number[] =>
  fixWaves(samplePlan(plan), devices).map(({ size }) => size);
const members = (plan = samplePlan(), devices = fleet): number[] => {
  const waves = fixWaves(plan, devices);
  return devices.filter((d) => selects(plan.select, d)).map((d) => waveOf(plan.id, waves, d));
};
const count = (all: readonly number[], wave: number): number =>
  all.filter((w) => w === wave).length;

describe('waves', () => {
  it('[ROL10] go by count, share, label, hardware and site, and the last holds the rest', () => {
    expect(sizesOf({ waves: [{ count: 20 }, { share: 0.25 }, {}] })).toEqual([20, 250, 730]);
    expect(sizesOf({ waves: [{ where: { labels: ['indoor'] }, share: 0.1 }] })).toEqual([50, 950]);
    expect(sizesOf({ waves: [{ where: { targets: ['jetson-orin'] } }, {}] })).toEqual([250, 750]);
    expect(sizesOf({ waves: [{ where: { sites: ['site-3', 'site-4'] } }] })).toEqual([20, 980]);
    expect(sizesOf({ select: { labels: ['indoor'] }, waves: [{ share: 0.1 }] })).toEqual([50, 450]);
    expect(sizesOf({ select: { devices: ['device-7'] }, waves: [{}] })).toEqual([1]);
  });

  it('[ROL10] grow, where they are to', () => {
    const sizes = sizesOf({ waves: [{ count: 10 }], growth: 3 });
    expect(sizes).toEqual([10, 30, 90, 270, 600]);
    const slow = sizesOf({ waves: [{ count: 1 }], growth: 1 });
    expect(slow).toHaveLength(64);
    expect(slow.reduce((a, b) => a + b)).toBe(1_000);
  });

  it('[ROL10] are each exactly those that the marks name', () => {
    const plan = samplePlan({
      waves: [{ where: { sites: ['site-3'] }, count: 4 }, { share: 0.1 }],
      growth: 2,
    });
    const found = members(plan);
    for (const [i, { size }] of fixWaves(plan, fleet).entries()) expect(count(found, i)).toBe(size);
  });

  it('[ROL11] are no other’s by who comes and goes, and other ones in another rollout', () => {
    fc.assert(
      fc.property(fc.subarray(fleet, { minLength: 1 }), (some) => {
        const waves = fixWaves(samplePlan(), fleet);
        for (const device of some)
          expect(waveOf('digits-1', waves, device)).toBe(waveOf('digits-1', waves, { ...device }));
      }),
      { numRuns: 20 },
    );
    const [one, two] = [members(), members(samplePlan({ id: 'digits-2' }))];
    const both = fleet.filter((_, i) => one[i] === 0 && two[i] === 0).length;
    expect(both).toBeLessThan(6);
    // Who comes later is spread over the waves as the rest is.
    const plan = samplePlan();
    const later = sampleFleet(3_000).slice(1_000);
    const waves = fixWaves(plan, fleet);
    const joined = later.map((device) => waveOf(plan.id, waves, device));
    expect(count(joined, 0)).toBeLessThan(90);
    expect(count(joined, 1)).toBeGreaterThan(400);
  });
});

describe('feasibility', () => {
  const obstacles = (plan: Partial<RolloutPlanInput>, fits?: string[]): string[] => {
    const parsed = samplePlan(plan);
    return checkFeasibility(
      parsed,
      fixWaves(parsed, fleet),
      fleet,
      fits === undefined ? {} : { fits },
    ).map(({ code }) => code);
  };
  const gate = { devicesMin: 10, audits: { riseMax: 0.02, answersMin: 100 } };
  const device = samplePlan().device;

  it('[ROL12] finds nothing wrong with what can end', () => {
    expect(obstacles({}, ['jetson-orin'])).toEqual([]);
  });

  it.each<[string, Partial<RolloutPlanInput>, string[]?]>([
    ['nobody-selected', { select: { sites: ['nowhere'] } }],
    ['fits-nobody', {}, ['raspberry-pi-5']],
    ['empty-wave', { waves: [{}, { share: 0.5 }] }],
    ['canary-too-small', { waves: [{ count: 9 }, {}] }],
    ['canary-too-small', { gate: { ...gate, audits: { riseMax: 0.02, answersMin: 2_001 } } }],
    [
      'proof-out-of-reach',
      { gate: { ...gate, audits: { riseMax: 0.002, answersMin: 1, need: 'prove' } } },
    ],
    ['herd-too-slow', { timeouts: { waveMs: 600_000 } }],
    [
      'never-activates',
      { device: { ...device, maintenance: { days: [1, 2], fromMinute: 120, minutes: 60 } } },
    ],
    ['never-confirms', { device: { ...device, soak: { ...device.soak, forMs: 600_000 } } }],
    [
      'wave-too-short',
      {
        herd: { fetchesPerMinute: 10_000, activationsPerMinute: 10_000 },
        timeouts: { waveMs: 60_001 },
        device: { ...device, soak: { ...device.soak, forMs: 60_001 } },
      },
    ],
    ['budget-starves', { budget: { minAvailable: 10 } }],
  ])('[ROL12] refuses %s', (code, plan, fits) => {
    expect(obstacles(plan, fits)).toEqual([code]);
  });

  it('[ROL12] leaves nothing unsaid in a plan', () => {
    const { id, model, version, waves, device: rules, herd } = samplePlan();
    const small = { id, model, version, waves, device: rules, herd, gate: {} };
    expect(rolloutPlanSchema.parse(small)).toMatchObject({
      approvals: 'none',
      onPauseEnd: 'rollback',
    });
    expect(rolloutPlanSchema.safeParse({ ...small, waves: [] }).success).toBe(false);
    expect(rolloutPlanSchema.safeParse({ ...small, also: 1 }).success).toBe(false);
  });
});
