import { createRandom } from '@skerry/shared';
import type { LearnPlan, LearnStatus } from '@skerry/sync-protocol/learn';
import { describe, expect, it } from 'vitest';
import { sampleRunPlan } from '../../testing/run-turns.ts';
import type { RunPlanInput } from './run-plan.ts';
import {
  type Ineligible,
  type LearnDevice,
  samplePoisson,
  sampleUniform,
  survey,
  whyIneligible,
} from './select-clients.ts';

const base = `sha256:${'a'.repeat(64)}`;
const variant = `sha256:${'b'.repeat(64)}`;
const task: LearnPlan = {
  version: 1,
  model: 'digits',
  base,
  network: { kind: 'named', name: 'point' },
  trains: 'all',
  layout: { tensors: [{ name: 'w', shape: [2] }] },
  epochs: 1,
  batch: 1,
  learningRate: 0.1,
  compression: { kind: 'none' },
  examplesMin: 10,
  examplesMax: 100,
  holdOut: 0,
  seed: 1,
};
const able: LearnStatus = {
  plans: [1],
  networks: ['point'],
  examples: [{ model: 'digits', count: 10 }],
  idle: true,
};
const deviceOf = (
  learn: Partial<LearnStatus> = {},
  more: Partial<LearnDevice> = {},
): LearnDevice => ({
  device: 'device-1',
  online: true,
  site: 'default',
  target: 'linux-x64',
  labels: [],
  running: { digits: base },
  variants: { digits: variant },
  learn: { ...able, ...learn },
  ...more,
});
const nowMs = 1_000_000;
const why = (
  device: LearnDevice,
  eligibility: RunPlanInput['eligibility'] = {},
  more: { learn?: LearnPlan; busy?: boolean; opened?: boolean; askedMs?: number } = {},
): Ineligible | undefined =>
  whyIneligible(device, {
    plan: sampleRunPlan({ eligibility }),
    learn: more.learn ?? task,
    query: undefined,
    askedMs: new Map(more.askedMs === undefined ? [] : [['device-1', more.askedMs]]),
    isBusy: () => more.busy ?? false,
    opened: new Set(more.opened === true ? [device.device] : []),
    nowMs,
  });
const ofGraph: LearnPlan = {
  ...task,
  version: 2,
  network: { kind: 'bundle', variant: 'fp32', digest: variant },
};

describe('who is asked', () => {
  it('[RND2] is who fulfils what is asked', () => {
    const all = {
      charging: true,
      unmetered: true,
      batteryMin: 0.5,
      temperatureMax: 60,
      hardwareClasses: ['pi'],
      separationMs: 1_000,
    };
    const ready = deviceOf({
      charging: true,
      unmetered: true,
      battery: 0.5,
      temperature: 60,
      hardwareClass: 'pi',
    });
    expect(why(ready, all, { askedMs: nowMs - 1_000 })).toBeUndefined();
    expect(why(deviceOf())).toBeUndefined();
    expect(why(deviceOf({ plans: [1, 2], networks: [] }), {}, { learn: ofGraph })).toBeUndefined();
    expect(why(deviceOf({ charging: true, battery: 0.1 }), { batteryMin: 0.5 })).toBeUndefined();
    expect(why(deviceOf({ idle: false }), { idle: false })).toBeUndefined();
  });

  const { learn: _, ...old } = deviceOf();
  const cases: [Ineligible, Ineligible | undefined][] = [
    ['offline', why(deviceOf({}, { online: false }))],
    ['no-learning', why(old)],
    ['plan-unknown', why(deviceOf({ plans: [2] }))],
    ['network-unknown', why(deviceOf({ networks: ['other'] }))],
    ['plan-unknown', why(deviceOf(), {}, { learn: ofGraph })],
    ['network-unknown', why(deviceOf({ plans: [2] }, { running: {} }), {}, { learn: ofGraph })],
    ['network-unknown', why(deviceOf({ plans: [2] }, { variants: {} }), {}, { learn: ofGraph })],
    ['busy', why(deviceOf(), {}, { busy: true })],
    ['opened', why(deviceOf(), {}, { opened: true })],
    ['too-soon', why(deviceOf(), { separationMs: 1_000 }, { askedMs: nowMs - 999 })],
    ['too-few-examples', why(deviceOf({ examples: [{ model: 'digits', count: 9 }] }))],
    ['too-few-examples', why(deviceOf({ examples: [{ model: 'other', count: 99 }] }))],
    ['not-idle', why(deviceOf({ idle: false }))],
    ['not-charging', why(deviceOf(), { charging: true })],
    ['metered', why(deviceOf({ unmetered: false }), { unmetered: true })],
    ['metered', why(deviceOf(), { unmetered: true })],
    ['battery', why(deviceOf({ battery: 0.49 }), { batteryMin: 0.5 })],
    ['battery', why(deviceOf(), { batteryMin: 0.5 })],
    ['hot', why(deviceOf({ temperature: 61 }), { temperatureMax: 60 })],
    ['hot', why(deviceOf(), { temperatureMax: 60 })],
    ['hardware-class', why(deviceOf({ hardwareClass: 'pi' }), { hardwareClasses: ['orin'] })],
  ];
  it.each(cases)('[RND2] is not who is %s', (expected, found) => expect(found).toBe(expected));

  it('[RND2] is whom the plan selects', () => {
    const plan = sampleRunPlan({ select: { sites: ['elsewhere'] } });
    const terms = {
      plan,
      learn: task,
      query: undefined,
      askedMs: new Map(),
      isBusy: () => false,
      opened: new Set<string>(),
      nowMs,
    };
    expect(whyIneligible(deviceOf(), terms)).toBe('not-selected');
    const devices = [
      deviceOf({}, { device: 'b' }),
      deviceOf({}, { device: 'a', site: 'elsewhere' }),
    ];
    expect(survey(devices, terms)).toMatchObject({
      eligible: [{ device: 'a' }],
      ineligible: { 'not-selected': 1 },
    });
  });
});

describe('a sample', () => {
  const devices = Array.from({ length: 50 }, (_, i) => deviceOf({}, { device: `device-${i}` }));
  const names = (some: readonly LearnDevice[]) => some.map(({ device }) => device);

  it('[RND3] follows from its seed, and takes each as likely as any other', () => {
    const once = names(sampleUniform(devices, 10, createRandom(7)));
    expect(names(sampleUniform(devices, 10, createRandom(7)))).toEqual(once);
    expect(new Set(once).size).toBe(10);
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 2_000; seed++)
      for (const name of names(sampleUniform(devices, 10, createRandom(seed))))
        counts.set(name, (counts.get(name) ?? 0) + 1);
    // 400 of each are expected; five standard deviations are 90.
    expect(Math.min(...counts.values())).toBeGreaterThan(310);
    expect(Math.max(...counts.values())).toBeLessThan(490);
    expect(counts.size).toBe(50);
  });

  it('[RND3] by chance takes each by itself', () => {
    const sizes: number[] = [];
    for (let seed = 0; seed < 2_000; seed++)
      sizes.push(samplePoisson(devices, 0.2, createRandom(seed)).length);
    const mean = sizes.reduce((a, b) => a + b, 0) / sizes.length;
    const variance = sizes.reduce((a, b) => a + (b - mean) ** 2, 0) / sizes.length;
    // Binomial: 50 · 0.2 and 50 · 0.2 · 0.8. A sample of fixed size has no variance.
    expect(mean).toBeCloseTo(10, 0);
    expect(variance).toBeGreaterThan(6.5);
    expect(variance).toBeLessThan(9.5);
  });
});
