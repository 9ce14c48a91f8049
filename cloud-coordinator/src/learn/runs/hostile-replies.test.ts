// Devices that lie about their work, and a log that somebody has spoiled: neither is another's matter.

import { ok } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { describe, expect, it } from 'vitest';
import type { LearnDevicesOptions, LearnResult } from '../../testing/learn-devices.ts';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import {
  createMemoryEventStore,
  createMemoryRolloutDisk,
} from '../../testing/memory-rollout-stores.ts';
import { sampleRunPlan, turnRuns } from '../../testing/run-turns.ts';
import { runOwner } from './model-blobs.ts';
import type { RunPlanInput } from './run-plan.ts';
import { openRuns } from './runs.ts';

async function ended(answer: LearnDevicesOptions['answer'] & object, more: Partial<RunPlanInput>) {
  const disk = createMemoryRolloutDisk();
  const fleet = createLearnFleet({ devices: 6, answer });
  const ports = { ...fleet.ports, store: createMemoryEventStore(disk) };
  const runs = unwrap(await openRuns(ports));
  const clients = { target: 6, min: 2, overSelect: 1 };
  unwrap(await runs.start(sampleRunPlan({ clients, rounds: 1, ...more }), 'me'));
  expect(await turnRuns(fleet, runs)).toBe(true);
  const history = unwrap(await runs.history('run-1'));
  const reasons = new Map(
    history.flatMap((event) =>
      event.kind !== 'replied'
        ? []
        : event.replies.flatMap(({ device, outcome }) =>
            outcome.kind === 'quarantined' ? [[device, outcome.reason] as const] : [],
          ),
    ),
  );
  return { fleet, disk, ports, runs, reasons, state: runs.get('run-1') };
}

const says =
  (claims: Readonly<Record<string, object>>, type: LearnResult['type'] = 'trained') =>
  (device: string, _: unknown, own: () => LearnResult): LearnResult => {
    const result = own();
    return result.type === type ? ({ ...result, ...claims[device] } as LearnResult) : result;
  };

describe('a device that lies', () => {
  it('[RND9] counts for nothing with examples or steps that it cannot have had', async () => {
    const { reasons, state } = await ended(
      says({
        'device-1': { examples: 501 },
        'device-2': { examples: 0 },
        'device-3': { examples: 500, steps: 101 },
        'device-4': { examples: 500, steps: 100 },
      }),
      { work: { learningRate: 0.5, epochs: 2, batch: 10, examplesMax: 500 } },
    );
    expect(Object.fromEntries(reasons)).toEqual({
      'device-1': '501 examples; the plan’s are 500 at most',
      'device-2': 'an update of no examples',
      'device-3': '101 steps; 500 examples make 100 at most',
    });
    expect(state?.history).toMatchObject([{ clients: 3, used: 3, quarantined: 3 }]);
  });

  it('[RND9] does not spoil the log with metrics that no sum holds', async () => {
    const { reasons, state, ports, runs } = await ended(
      (device, task, own) =>
        says({ 'device-1': { metrics: { loss: 1e300 } } })(device, task, () =>
          says(
            { 'device-2': { metrics: { loss: -1e308 } }, 'device-3': { examples: 10_001 } },
            'evaluated',
          )(device, task, own),
        ),
      { evaluate: { clients: 6 } },
    );
    expect(Object.fromEntries(reasons)).toEqual({
      'device-1': 'loss is 1e+300; 1000000000 is the most',
      'device-2': 'loss is -1e+308; 1000000000 is the most',
      'device-3': '10001 examples; the plan’s are 10000 at most',
    });
    expect(state?.history).toMatchObject([{ used: 5, federated: { clients: 4 } }]);
    await runs.close();
    expect(unwrap(await openRuns(ports)).get('run-1')).toEqual(state);
  });

  it('[RND9] does not fill the log with names of metrics', async () => {
    const many = (device: string) =>
      Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`${device} ${i}`, 1]));
    const metrics = Object.fromEntries(
      [1, 2, 3, 4, 5, 6].map((i) => [`device-${i}`, { metrics: many(`device-${i}`) }]),
    );
    const { state } = await ended(says(metrics, 'evaluated'), { evaluate: { clients: 6 } });
    const { metrics: mean = {}, fairness = {} } = state?.history[0]?.federated ?? {};
    expect([mean, fairness].map((each) => Object.keys(each).length)).toEqual([128, 128]);
  });
});

describe('an update that would be left out', () => {
  it('[RND9] counts for no minimum: others are asked in its place', async () => {
    const fleet = createLearnFleet({
      devices: 6,
      answer: (device, _, own) => {
        const result = own();
        if (result.type !== 'trained') return result;
        if (device === 'device-1') return { ...result, completed: 0.5 };
        return device === 'device-2' ? { ...result, update: long } : result;
      },
    });
    const long = await fleet.putUpdate(new Float32Array(8).fill(1e3));
    const runs = unwrap(await openRuns(fleet.ports));
    const plan = sampleRunPlan({
      strategy: { name: 'fedavg', partialWork: 'drop' },
      work: { learningRate: 0.5, clipNorm: 100 },
      clients: { target: 4, min: 4, overSelect: 1 },
      rounds: 3,
    });
    unwrap(await runs.start(plan, 'me'));
    expect(await turnRuns(fleet, runs)).toBe(true);
    const { phase, history = [] } = runs.get('run-1') ?? {};
    expect(phase).toMatchObject({ kind: 'completed' });
    expect(history.map(({ used, attempts }) => [used, attempts])).toEqual(Array(3).fill([4, 1]));
    const told = unwrap(await runs.history('run-1')).flatMap((event) =>
      event.kind === 'replied' ? event.replies : [],
    );
    const reasons = told.flatMap(({ outcome }) =>
      outcome.kind === 'quarantined' ? [outcome.reason] : [],
    );
    expect(reasons).toContain('fedavg would leave it out: partial');
    expect(reasons).toContainEqual(expect.stringMatching(/^an update of norm 28\d\d.*; 100 is/));
  });

  it('[RND9] makes room for others in an asynchronous run, which goes on', async () => {
    let answers = 0;
    const fleet = createLearnFleet({
      devices: 6,
      answer: (_, __, own) => {
        const result = own();
        return result.type === 'trained' && ++answers <= 3 ? { ...result, update: huge } : result;
      },
    });
    // Each is finite, and their sum times the server's rate is not.
    const huge = await fleet.putUpdate(new Float32Array(8).fill(3e38));
    const runs = unwrap(await openRuns(fleet.ports));
    const plan = sampleRunPlan({
      strategy: { name: 'fedbuff', bufferSize: 3, server: { kind: 'sgd', learningRate: 2 } },
      clients: { target: 3, min: 3, overSelect: 2 },
      rounds: 1,
      attemptsMax: 1,
    });
    unwrap(await runs.start(plan, 'me'));
    expect(await turnRuns(fleet, runs)).toBe(true);
    expect(runs.get('run-1')).toMatchObject({
      phase: { kind: 'completed' },
      history: [{ attempts: 1, clients: 3, used: 3 }],
    });
    const made = unwrap(await runs.history('run-1')).filter(({ kind }) => kind === 'aggregated');
    const reason = 'fedbuff: the model of round 1 is not finite';
    expect(made[0]).toMatchObject({
      changed: false,
      contributions: Array(3).fill({ used: false, reason }),
    });
  });

  it('[AGG13] does not move the control variate of all by more than a step can', async () => {
    const fleet = createLearnFleet({
      devices: 3,
      answer: (device, _, own) => {
        const result = own();
        const update = controls.get(device);
        return result.type === 'trained' && update !== undefined
          ? { ...result, update, controlAt: 32 }
          : result;
      },
    });
    const put = (value: number) => {
      const numbers = new Float32Array(16).fill(0.01);
      return fleet.putBlob(new Uint8Array(numbers.fill(value, 8).buffer));
    };
    const controls = new Map([
      ['device-1', await put(1e6)],
      ['device-2', await put(3.5)],
      ['device-3', await put(0.1)],
    ]);
    const runs = unwrap(await openRuns(fleet.ports));
    const plan = sampleRunPlan({
      strategy: { name: 'scaffold', clients: 3 },
      // 5 · 1 / 0.5: of norm 10, and 3.5 · √8 is 9.9.
      work: { learningRate: 0.5, clipNorm: 1 },
      clients: { target: 3, min: 2, overSelect: 1 },
      rounds: 1,
    });
    unwrap(await runs.start(plan, 'me'));
    expect(await turnRuns(fleet, runs)).toBe(true);
    const made = unwrap(await runs.history('run-1')).find(({ kind }) => kind === 'aggregated');
    expect(made).toMatchObject({
      contributions: [
        { used: false, reason: 'control-above-bound' },
        { used: true },
        { used: true },
      ],
    });
  });
});

describe('a log that cannot be read', () => {
  it('[RND22] puts its run aside, and the others go on', async () => {
    const { fleet, disk, ports, runs } = await ended((_, __, own) => own(), {});
    await runs.close();
    disk.logs.get('run-1')?.push('{"kind":"evaluated","round":null}');
    const again = unwrap(await openRuns(ports));
    expect(again.list()).toEqual([]);
    expect(again.why('run-1')).toEqual([expect.stringMatching(/^run-1 is put aside: a log holds/)]);
    const order = { by: 'eva', reason: 'spoiled' };
    expect(await again.stop('run-1', order)).toMatchObject({ error: { code: 'storage_failed' } });
    expect(await again.start(sampleRunPlan({ rounds: 1 }), 'me')).toMatchObject({
      error: { code: 'invalid_argument', message: 'run-1 exists already' },
    });
    const result = { type: 'declined', reason: 'busy' } as const;
    await fleet.reply('device-1', { run: 'run-1', round: 0, attempt: 7, result });
    unwrap(await again.turn());
    const said = JSON.stringify(await fleet.waiting('device-1'));
    expect(said).not.toContain('no run run-1');
    unwrap(await again.start(sampleRunPlan({ id: 'run-2', rounds: 1 }), 'me'));
    expect(await turnRuns(fleet, again)).toBe(true);
    expect(again.get('run-2')?.phase).toMatchObject({ kind: 'completed' });
    // Nobody knows what it needs: nothing of it is dropped.
    const { references } = ports;
    const kept = references
      .digests()
      .filter((d) => references.owners(d).includes(runOwner('run-1')));
    expect(kept.length).toBeGreaterThan(0);
  });

  it('[RND22] is not what a store is that fails', async () => {
    const { ports, runs } = await ended((_, __, own) => own(), {});
    await runs.close();
    const failed = await ports.store.list();
    const store = {
      ...ports.store,
      list: async () => ok(unwrap(failed)),
      read: async () =>
        ({
          ok: false,
          error: { code: 'storage_failed' as const, message: 'gone', retryable: true },
        }) as const,
    };
    expect(await openRuns({ ...ports, store })).toMatchObject({ error: { message: 'gone' } });
  });
});
