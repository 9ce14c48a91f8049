import { defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import { sampleRunPlan } from '../../testing/run-turns.ts';
import { dueStep } from './due-step.ts';
import { openRuns } from './runs.ts';
import type { LearnDevice } from './select-clients.ts';
import { roundBytesMax, sampleMayExceed, updatesMaxOf } from './updates-max.ts';

const manyOf = (device: LearnDevice | undefined, count: number): LearnDevice[] =>
  Array.from({ length: count }, (_, i) => ({ ...defined(device, 'one'), device: `many-${i}` }));

const sampling = { kind: 'poisson' as const, share: 1 };
const clients = { target: 4, min: 1, overSelect: 1 };

describe('the updates of an attempt', () => {
  it('[RND3] are no more than one event and the memory hold', () => {
    const of = (size: number) => ({ layout: { tensors: [{ name: 'a', shape: [size] }] } });
    expect(updatesMaxOf(of(8))).toBe(5_000);
    const size = roundBytesMax / 4 / 1_000;
    expect(updatesMaxOf(of(Math.ceil(size)))).toBeLessThan(1_000);
    expect(updatesMaxOf({ ...of(Math.floor(size)), controlVariates: true })).toBe(500);
    expect(sampleMayExceed(5_000, 1, 5_000)).toBe(false);
    expect(sampleMayExceed(9_000, 0.5, 5_000)).toBe(false);
    expect(sampleMayExceed(9_600, 0.5, 5_000)).toBe(true);
  });

  it('[RND3] are no sample where chance has chosen more: the attempt says so', async () => {
    const fleet = createLearnFleet({ devices: 4 });
    const runs = unwrap(await openRuns(fleet.ports));
    const state = unwrap(await runs.start(sampleRunPlan({ sampling, clients }), 'me'));
    const [one] = fleet.ports.devices.list();
    const stepOf = (count: number) =>
      dueStep(
        state,
        { devices: () => manyOf(one, count), isBusy: () => false },
        fleet.clock.nowMs(),
      );
    expect(stepOf(5_001)).toMatchObject({
      events: [{ kind: 'closed', reason: 'chance has chosen 5001, 5000 are the most' }],
    });
    expect(stepOf(5_000)).toMatchObject({ events: Array(10).fill({ kind: 'chosen' }) });
  });

  it('[RND16] refuse a run whose chance may choose more of the fleet', async () => {
    const fleet = createLearnFleet({ devices: 1 });
    const devices = manyOf(fleet.ports.devices.list()[0], 5_001);
    const runs = unwrap(await openRuns({ ...fleet.ports, devices: { list: () => devices } }));
    expect(await runs.start(sampleRunPlan({ sampling, clients }), 'me')).toMatchObject({
      error: { message: 'chance may choose more than 5000 of 5001 devices with share 1' },
    });
    const fewer = sampleRunPlan({ sampling, clients, select: { devices: ['many-1'] } });
    expect(await runs.start(fewer, 'me')).toMatchObject({ ok: true });
  });

  it('[RND16] refuse a robust run whose liars could leave too few, and a buffer never full', async () => {
    const fleet = createLearnFleet({ devices: 4 });
    const runs = unwrap(await openRuns(fleet.ports));
    const krum = { name: 'krum' as const, byzantine: 2 };
    const of = (min: number) => ({ target: 20, min, overSelect: 1 });
    expect(await runs.start(sampleRunPlan({ strategy: krum, clients: of(8) }), 'me')).toMatchObject(
      {
        error: {
          message:
            'whoever lies may be left out: beside 2 liars krum needs 7, and clients.min is 8',
        },
      },
    );
    expect(await runs.start(sampleRunPlan({ strategy: krum, clients: of(9) }), 'me')).toMatchObject(
      { ok: true },
    );
    const strategy = { name: 'fedbuff' as const, bufferSize: 5 };
    expect(await runs.start(sampleRunPlan({ id: 'run-2', strategy, clients }), 'me')).toMatchObject(
      { error: { message: expect.stringMatching(/less than bufferSize/) } },
    );
  });
});
