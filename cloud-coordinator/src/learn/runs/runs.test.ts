// Runs over devices that are played: what they reply, and what time does.

import { createRandom, err, failure, ok, type Result } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { audiences } from '@skerry/sync-protocol/blobs';
import { encodeUpdate, vectorBytes } from '@skerry/sync-protocol/learn';
import { describe, expect, it } from 'vitest';
import type { LearnDevicesOptions } from '../../testing/learn-devices.ts';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import { sampleRollOut, sampleRunPlan, turnRuns, weightsOf } from '../../testing/run-turns.ts';
import { runOwner } from './model-blobs.ts';
import type { RunPlanInput } from './run-plan.ts';
import { openRuns, type RunsPorts } from './runs.ts';

async function begun(options: LearnDevicesOptions, more: Partial<RunPlanInput> = {}) {
  const fleet = createLearnFleet(options);
  const runs = unwrap(await openRuns(fleet.ports));
  unwrap(await runs.start(sampleRunPlan(more), 'me'));
  const state = () => {
    const found = runs.get('run-1');
    if (found === undefined) throw new Error('the run is there');
    return found;
  };
  return { fleet, runs, state };
}

describe('a run', () => {
  it('[RND1] comes to what its devices pull it towards, weighted by their examples', async () => {
    const { fleet, runs, state } = await begun(
      { devices: 4 },
      { work: { learningRate: 1 }, rounds: 1 },
    );
    expect(await turnRuns(fleet, runs)).toBe(true);
    expect(state().phase).toMatchObject({ kind: 'completed' });
    expect(state().history).toMatchObject([{ round: 1, attempts: 1, clients: 4, used: 4 }]);
    const weights = await weightsOf(fleet, state());
    const total = fleet.names.reduce((sum, _, i) => sum + 100 + i, 0);
    for (const [at, value] of weights.entries()) {
      const mean = fleet.names.reduce(
        (sum, name, i) => sum + ((100 + i) * (fleet.pulls.get(name)?.[at] ?? 0)) / total,
        0,
      );
      expect(value).toBeCloseTo(mean, 5);
    }
  });

  it('[RND1] waits for devices with a reason and an end, and fails when none come', async () => {
    const away = { devices: 3, describe: () => ({ online: false }) };
    const { fleet, runs, state } = await begun(away, {
      timeouts: { selectMs: 60_000 },
      attemptsMax: 2,
    });
    unwrap(await runs.turn());
    expect(state().phase).toMatchObject({
      kind: 'selecting',
      untilMs: fleet.clock.nowMs() + 60_000,
    });
    expect(runs.why('run-1')[0]).toMatch(/0 may be asked; not: 3 offline; gives up in 60 s/);
    expect(await turnRuns(fleet, runs, 119_000)).toBe(false);
    expect(runs.why('run-1')).toContainEqual(expect.stringMatching(/attempt 2 of 2/));
    expect(await turnRuns(fleet, runs, 10_000)).toBe(true);
    expect(state().phase).toMatchObject({
      kind: 'failed',
      reason: 'round 0, attempt 2 of 2: 0 devices may be asked, 2 are needed',
    });
  });

  it('[RND1] is stopped by somebody, and whoever is at work is told', async () => {
    const { fleet, runs, state } = await begun({ devices: 4, answer: () => undefined });
    await turnRuns(fleet, runs, 2_000);
    expect(state().phase).toMatchObject({ kind: 'training' });
    unwrap(await runs.stop('run-1', { by: 'eva', reason: 'wrong data' }));
    expect(state().phase).toMatchObject({ kind: 'stopped', by: 'eva', reason: 'wrong data' });
    await turnRuns(fleet, runs, 2_000);
    const ends = fleet.heard.filter(({ task }) => task.work.type === 'end');
    expect(ends.map(({ device }) => device).sort()).toEqual(fleet.names);
    expect(await runs.stop('run-1', { by: 'eva', reason: 'again' })).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });

  it('[RND3] asks more than it needs, and is over when enough have answered', async () => {
    const { fleet, runs, state } = await begun(
      { devices: 20 },
      { clients: { target: 4, min: 2, overSelect: 1.5 }, rounds: 1 },
    );
    await turnRuns(fleet, runs);
    expect(fleet.heard.filter(({ task }) => task.work.type === 'train')).toHaveLength(6);
    expect(state().history).toMatchObject([{ clients: 4, used: 4 }]);
  });

  it('[RND4] goes on with those who answered in time, and counts what was done in part', async () => {
    const { fleet, runs, state } = await begun(
      {
        devices: 4,
        answer: (device, _, own) => {
          const result = own();
          if (device === 'device-1') return undefined;
          return result.type === 'trained' ? { ...result, completed: 0.25 } : result;
        },
      },
      { rounds: 1 },
    );
    expect(await turnRuns(fleet, runs, 2 * 3_600_000)).toBe(true);
    expect(state().phase).toMatchObject({ kind: 'completed' });
    expect(state().history).toMatchObject([{ clients: 3, used: 3 }]);
  });

  it('[RND4] tries again with fewer than the minimum, and then fails', async () => {
    const { fleet, runs, state } = await begun(
      { devices: 4, answer: (device, _, own) => (device === 'device-1' ? own() : undefined) },
      { attemptsMax: 3, timeouts: { roundMs: 60_000 } },
    );
    await turnRuns(fleet, runs, 70_000);
    expect(state().phase).toMatchObject({ kind: 'training', attempt: 2 });
    expect(state().setback).toBe('1 have answered in time, 3 have not');
    expect(await turnRuns(fleet, runs)).toBe(true);
    expect(state().phase).toMatchObject({
      kind: 'failed',
      reason: 'round 0, attempt 3 of 3: 1 have answered in time, 3 have not',
    });
  });

  it('[RND5] counts an update once, however often it comes', async () => {
    const { fleet, runs, state } = await begun({ devices: 4, answer: () => undefined });
    await turnRuns(fleet, runs, 2_000);
    const update = await fleet.putUpdate(new Float32Array(8).fill(1));
    const result = {
      type: 'trained' as const,
      examples: 5,
      steps: 1,
      completed: 1,
      update,
      metrics: {},
    };
    const reply = { run: 'run-1', round: 0, attempt: 1, result };
    await fleet.reply('device-2', reply);
    unwrap(await runs.turn());
    const once = state();
    expect(once.members.get('device-2')?.progress).toMatchObject({ kind: 'trained', examples: 5 });
    await fleet.reply('device-2', { ...reply, result: { ...result, examples: 500 } });
    await fleet.reply('device-2', reply);
    unwrap(await runs.turn());
    expect(state()).toEqual(once);
  });

  it('[RND6] tells who is late which round it is, and leaves alone who is asked in it', async () => {
    const { fleet, runs, state } = await begun(
      { devices: 5, answer: (_, { round }, own) => (round === 0 ? own() : undefined) },
      { clients: { target: 4, min: 4, overSelect: 1.25 }, rounds: 3 },
    );
    await turnRuns(fleet, runs, 4_000);
    const asked = [...state().members].filter(([, { progress }]) => progress.kind === 'asked');
    expect(state().round).toBe(1);
    expect(asked).toHaveLength(5);
    // One of them can no more, and is not asked in the attempt that follows.
    const busy = fleet.ports.devices.list()[0];
    if (busy?.learn === undefined) throw new Error('it learns');
    fleet.change('device-1', { learn: { ...busy.learn, idle: false } });
    const result = { type: 'declined' as const, reason: 'busy' as const };
    await fleet.reply('device-2', { run: 'run-1', round: 0, attempt: 1, result });
    const before = fleet.heard.length;
    await turnRuns(fleet, runs, 2_000);
    expect(fleet.heard.slice(before)).toEqual([]);
    await fleet.reply('device-1', { run: 'run-1', round: 1, attempt: 1, result });
    await fleet.reply('device-1', { run: 'run-1', round: 0, attempt: 1, result });
    await turnRuns(fleet, runs, 2_000);
    expect(fleet.heard.slice(before)).toMatchObject([
      { device: 'device-1', task: { round: 1, attempt: 1, work: { type: 'end', goesOn: true } } },
    ]);
    await fleet.reply('device-9', { run: 'nothing', round: 4, attempt: 1, result });
    unwrap(await runs.turn());
    expect(await fleet.waiting('device-9')).toMatchObject([
      { work: { type: 'end', reason: 'no run nothing' } },
    ]);
  });

  it('[RND15] keeps little of what a device says of runs that there are not', async () => {
    const fleet = createLearnFleet({ devices: 1 });
    const places = new Set<string>();
    const { say, forget } = fleet.ports.tasks;
    const tasks: typeof fleet.ports.tasks = {
      say(device, place, ...rest) {
        places.add(place);
        return say(device, place, ...rest);
      },
      forget,
    };
    const runs = unwrap(await openRuns({ ...fleet.ports, tasks }));
    const result = { type: 'declined' as const, reason: 'busy' as const };
    for (let i = 0; i < 40; i++)
      await fleet.reply('device-1', { run: `nothing-${i}`, round: 0, attempt: 1, result });
    unwrap(await runs.turn());
    expect(places.size).toBe(8);
  });

  it('[RND7] tells devices one after the other', async () => {
    const { fleet, runs } = await begun(
      { devices: 4 },
      { tellsPerMinute: 6, rounds: 1, clients: { target: 4, min: 4, overSelect: 1 } },
    );
    const toldBy: number[] = [];
    for (let i = 0; i < 45; i++) {
      await turnRuns(fleet, runs, 1_000);
      toldBy.push(new Set(fleet.heard.map(({ device }) => device)).size);
    }
    expect([4, 14, 24, 34].map((second) => toldBy[second])).toEqual([1, 2, 3, 4]);
  });

  it('[RND9] quarantines what it cannot use, with the reason, and goes on', async () => {
    const { fleet, runs, state } = await begun(
      {
        devices: 6,
        answer(device, _, own) {
          const result = own();
          if (result.type !== 'trained') return result;
          const bad = badUpdates[device];
          return bad === undefined ? result : { ...result, ...bad };
        },
      },
      { clients: { target: 6, min: 2, overSelect: 1 }, rounds: 2, timeouts: { roundMs: 60_000 } },
    );
    const nan = new Uint8Array(vectorBytes(new Float32Array(8).fill(Number.NaN)));
    const head = unwrap(
      encodeUpdate(fleet.base.layout, { kind: 'none' }, new Float32Array(8), {
        random: createRandom(1),
      }),
    ).bytes.subarray(0, 6);
    const put = async (bytes: Uint8Array) => ({ update: await fleet.putBlob(bytes) });
    const badUpdates: Record<string, object> = {
      'device-1': await put(Uint8Array.from([...head, ...nan])),
      'device-2': await put(new Uint8Array(10_000)),
      'device-3': { update: { digest: `sha256:${'d'.repeat(64)}`, bytes: 38 } },
      'device-4': { ...(await put(head)), controlAt: 2 },
    };
    expect(await turnRuns(fleet, runs)).toBe(true);
    const outcomes = unwrap(await runs.history('run-1')).flatMap((event) =>
      event.kind === 'replied' ? event.replies : [],
    );
    const reasons = new Map(
      outcomes.map(({ device, outcome }) => [
        device,
        outcome.kind === 'quarantined' ? outcome.reason : outcome.kind,
      ]),
    );
    expect([...reasons.keys()].sort()).toEqual(fleet.names);
    expect(fleet.names.map((name) => reasons.get(name))).toEqual([
      'number 0 is NaN',
      'an update of 10000 bytes; the plan’s have 38 at most',
      expect.stringMatching(/^no update sha256:d+ of 38 bytes$/),
      'a control variate in an update',
      'trained',
      'trained',
    ]);
    expect(state().phase).toMatchObject({ kind: 'completed' });
    expect(state().history).toMatchObject([
      { clients: 2, used: 2, quarantined: 4 },
      { clients: 2, used: 2, quarantined: 4 },
    ]);
  });

  it('[RND10] says whose update is in which model, and with what weight', async () => {
    const { fleet, runs } = await begun({ devices: 4 }, { rounds: 2 });
    await turnRuns(fleet, runs);
    const made = unwrap(await runs.history('run-1')).filter(({ kind }) => kind === 'aggregated');
    expect(made).toHaveLength(2);
    for (const event of made) {
      if (event.kind !== 'aggregated') continue;
      expect(event.contributions.map(({ device, used }) => [device, used])).toEqual(
        fleet.names.map((name) => [name, true]),
      );
      const total = event.contributions.reduce((sum, { weight = 0 }) => sum + weight, 0);
      expect(total).toBeCloseTo(1, 9);
      for (const { update } of event.contributions) expect(update).toMatch(/^sha256:/);
    }
  });

  it('[RND12] asks another in the place of who cannot', async () => {
    const { fleet, runs, state } = await begun(
      {
        devices: 9,
        answer: (device, _, own) =>
          ['device-1', 'device-2', 'device-3'].includes(device)
            ? { type: 'declined', reason: 'hot' }
            : own(),
      },
      { rounds: 2, clients: { target: 6, min: 6, overSelect: 1 } },
    );
    expect(await turnRuns(fleet, runs, 120_000)).toBe(true);
    expect(state().history.map(({ used, attempts }) => [used, attempts])).toEqual([
      [6, 1],
      [6, 1],
    ]);
  });

  it('[RND13] says of each model how good it is, by cohort and from device to device', async () => {
    const { fleet, runs, state } = await begun(
      { devices: 6 },
      { rounds: 2, evaluate: { everyRounds: 2, clients: 6 } },
    );
    expect(await turnRuns(fleet, runs)).toBe(true);
    const [first, last] = state().history;
    expect(first?.federated).toBeUndefined();
    expect(last?.federated).toMatchObject({
      clients: 6,
      cohorts: { 'site-0': { clients: 3 }, 'site-1': { clients: 3 } },
    });
    const { worst, best, mean } = last?.federated?.fairness['loss'] ?? {};
    expect(worst?.value).toBeGreaterThan(mean ?? Number.NaN);
    expect(best?.value).toBeLessThan(mean ?? Number.NaN);
  });

  it('[RND13] ends without an evaluation where nobody is there for it', async () => {
    const { fleet, runs, state } = await begun(
      {
        devices: 4,
        answer: (_, { work }, own) => (work.type === 'evaluate' ? undefined : own()),
      },
      {
        rounds: 1,
        evaluate: { clients: 4 },
        timeouts: { evaluateMs: 60_000 },
      },
    );
    expect(await turnRuns(fleet, runs, 300_000)).toBe(true);
    expect(state().phase).toMatchObject({ kind: 'completed' });
    expect(state().history[0]?.federated).toBeUndefined();
  });

  it('[RND14] keeps what it needs and no more', async () => {
    const { fleet, runs, state } = await begun({ devices: 4 });
    await turnRuns(fleet, runs);
    const { references } = fleet.ports;
    const owned = (owner: string) =>
      references.digests().filter((digest) => references.owners(digest).includes(owner));
    expect(owned(audiences.learn)).toEqual([state().model.parameters.digest]);
    expect(owned(runOwner('run-1'))).toEqual([]);
    await references.add(`sha256:${'e'.repeat(64)}`, runOwner('run-1'));
    await runs.close();
    const again = unwrap(await openRuns(fleet.ports));
    expect(owned(runOwner('run-1'))).toEqual([]);
    unwrap(await again.start(sampleRunPlan({ id: 'run-2' }), 'me'));
    expect(owned(runOwner('run-2'))).toHaveLength(1);
    unwrap(await again.stop('run-2', { by: 'me', reason: 'enough' }));
    expect(owned(runOwner('run-2'))).toEqual([]);
  });

  it('[RND14] keeps the model that a device is about to fetch, though there is a newer one', async () => {
    const { fleet, runs, state } = await begun(
      // One alone takes its time.
      { devices: 9, answer: (device, _, own) => (device === 'device-1' ? undefined : own()) },
      {
        strategy: { name: 'fedbuff', bufferSize: 3 },
        clients: { target: 3, min: 3, overSelect: 3 },
        rounds: 50,
      },
    );
    while (state().round < 2 && state().members.get('device-1')?.round !== 0)
      await turnRuns(fleet, runs, 1_000);
    await turnRuns(fleet, runs, 3_000);
    const given = state().members.get('device-1')?.given.parameters;
    expect(state().round).toBeGreaterThan(0);
    expect(given).not.toEqual(state().model.parameters);
    expect(fleet.ports.references.owners(given?.digest ?? '')).toContain(audiences.learn);
  });

  it('[RND11] of FedBuff makes a model of each buffer, whatever its updates began from', async () => {
    let turn = 0;
    const { fleet, runs, state } = await begun(
      // Every third answer is silence: its device is waited for no longer than a round.
      { devices: 9, answer: (_, __, own) => (++turn % 3 === 0 ? undefined : own()) },
      {
        strategy: { name: 'fedbuff', bufferSize: 3 },
        clients: { target: 3, min: 3, overSelect: 2 },
        rounds: 6,
        timeouts: { roundMs: 30_000 },
      },
    );
    expect(await turnRuns(fleet, runs)).toBe(true);
    expect(state().phase).toMatchObject({ kind: 'completed' });
    expect(state().history.map(({ used }) => used)).toEqual([3, 3, 3, 3, 3, 3]);
    const made = unwrap(await runs.history('run-1')).flatMap((event) =>
      event.kind === 'aggregated'
        ? event.contributions.map(({ round }) => event.round - round)
        : [],
    );
    expect(Math.max(...made)).toBeGreaterThan(0);
  });

  it('[RND19] [RND20] makes a version of what it has learned, and rolls it out when it is signed', async () => {
    const fleet = createLearnFleet({ devices: 4 });
    const manifest = { digest: `sha256:${'f'.repeat(64)}`, bytes: 9 };
    let isSigned = false;
    const heldOut = await fleet.putBlob(Uint8Array.of(1));
    const runs = unwrap(
      await openRuns({
        ...fleet.ports,
        candidates: {
          evaluate: async ({ round }) => ok({ accuracy: round / 10 }),
          publish: async () => ok({ version: '1.1.0', manifest, before: 0.9, after: 0.95 }),
          rollOut: async (_, version) =>
            isSigned ? ok(`learn-${version}`) : err(failure('invalid_argument', 'not signed')),
        },
      }),
    );
    const plan = sampleRunPlan({
      rounds: 2,
      heldOut: { images: heldOut, labels: heldOut },
      evaluate: { clients: 0 },
      candidate: { rollOut: sampleRollOut() },
    });
    unwrap(await runs.start(plan, 'me'));
    await turnRuns(fleet, runs, 60_000);
    const waiting = runs.get('run-1');
    expect(waiting?.phase).toMatchObject({ kind: 'releasing' });
    expect(waiting?.history.map(({ central }) => central)).toEqual([
      { accuracy: 0.1 },
      { accuracy: 0.2 },
    ]);
    expect(runs.why('run-1')[0]).toMatch(
      /digits 1\.1\.0 is in the registry, and is rolled out when/,
    );
    isSigned = true;
    expect(await turnRuns(fleet, runs, 10_000)).toBe(true);
    expect(runs.get('run-1')).toMatchObject({
      phase: { kind: 'completed' },
      candidate: { version: '1.1.0', rollout: 'learn-1.1.0' },
    });
  });

  it('[RND20] ends without a rollout where nobody signs, and fails where there is no candidate', async () => {
    const fleet = createLearnFleet({ devices: 4 });
    const heldOut = await fleet.putBlob(Uint8Array.of(1));
    const manifest = { digest: `sha256:${'f'.repeat(64)}`, bytes: 9 };
    let publish: () => Promise<
      Result<{ version: string; manifest: typeof manifest; before: number; after: number }>
    > = async () => ok({ version: '1.1.0', manifest, before: 0.9, after: 0.95 });
    const runs = unwrap(
      await openRuns({
        ...fleet.ports,
        candidates: {
          evaluate: async () => ok({}),
          publish: () => publish(),
          rollOut: async () => err(failure('invalid_argument', 'not signed')),
        },
      }),
    );
    const more = {
      rounds: 1,
      heldOut: { images: heldOut, labels: heldOut },
      timeouts: { signMs: 60_000 },
      candidate: { rollOut: sampleRollOut() },
    };
    unwrap(await runs.start(sampleRunPlan(more), 'me'));
    expect(await turnRuns(fleet, runs, 120_000)).toBe(true);
    expect(runs.get('run-1')).toMatchObject({
      phase: { kind: 'completed' },
      setback: expect.stringMatching(/nobody has signed/),
    });
    publish = async () => err(failure('invalid_bundle', 'it answers worse than it may'));
    unwrap(await runs.start(sampleRunPlan({ ...more, id: 'run-2' }), 'me'));
    expect(await turnRuns(fleet, runs, 120_000)).toBe(true);
    expect(runs.get('run-2')?.phase).toMatchObject({
      kind: 'failed',
      reason: 'no candidate: it answers worse than it may',
    });
  });

  const privacy = (epsilonMax: number) => ({
    central: {
      noiseMultiplier: 1,
      samplingRate: 0.5,
      clients: 40,
      clip: { kind: 'fixed' as const, norm: 1 },
    },
    budget: { epsilonMax, delta: 1e-3 },
  });
  const sampling = { kind: 'poisson' as const, share: 0.5 };

  it('[RND21] writes down what a private round costs before there is a model of it', async () => {
    const { fleet, runs, state } = await begun(
      { devices: 40 },
      { privacy: privacy(50), sampling, clients: { target: 20, min: 1, overSelect: 1 } },
    );
    expect(await turnRuns(fleet, runs)).toBe(true);
    expect(state()).toMatchObject({ phase: { kind: 'completed' }, round: 3 });
    const kinds = unwrap(await runs.history('run-1')).map(({ kind }) => kind);
    const paid = kinds.filter((kind) => /privacy|aggregated/.test(kind));
    const once = ['privacy-committed', 'privacy-released', 'aggregated'];
    expect(paid).toEqual([...once, ...once, ...once]);
    expect(runs.why('run-1')).toContainEqual(expect.stringMatching(/^privacy: ε \d+\.\d+ of 50/));
    const sizes = state().history.map(({ clients }) => clients);
    expect(new Set(sizes).size).toBeGreaterThan(1);
  });

  it('[RND21] ends before the round that it cannot pay, with what it has', async () => {
    const { fleet, runs, state } = await begun(
      { devices: 40 },
      {
        privacy: privacy(5),
        sampling,
        rounds: 500,
        clients: { target: 20, min: 1, overSelect: 1 },
      },
    );
    expect(await turnRuns(fleet, runs)).toBe(true);
    expect(state().phase).toMatchObject({ kind: 'completed' });
    expect(state().round).toBeGreaterThan(0);
    expect(state().round).toBeLessThan(500);
    expect(state().setback).toMatch(/the privacy budget is spent/);
    expect(
      await runs.start(
        sampleRunPlan({
          id: 'run-2',
          privacy: privacy(0.01),
          sampling,
          clients: { target: 4, min: 1, overSelect: 1 },
        }),
        'me',
      ),
    ).toMatchObject({ error: { message: 'the privacy budget has not one round' } });
    expect(
      await runs.start(sampleRunPlan({ id: 'run-2', privacy: privacy(5) }), 'me'),
    ).toMatchObject({ error: { message: expect.stringMatching(/samples as it accounts/) } });
  });

  it('[RND2] [RND18] of a head asks those that run the base, and moves the head alone', async () => {
    const head = { tensors: [{ name: 'head.bias', shape: [3] }] };
    const digest = `sha256:${'c'.repeat(64)}`;
    const fleet = createLearnFleet({
      devices: 5,
      size: 3,
      describe: (device) => ({
        variants: { digits: device === 'device-1' ? `sha256:${'d'.repeat(64)}` : digest },
        learn: {
          plans: device === 'device-2' ? [1] : [1, 2],
          networks: [],
          examples: [{ model: 'digits', count: 100 }],
          idle: true,
        },
      }),
    });
    const bases: RunsPorts['bases'] = {
      ...fleet.ports.bases,
      async open({ network, trains }) {
        expect([network, trains]).toEqual([undefined, 'head']);
        const graph = { kind: 'bundle', variant: 'fp32', digest } as const;
        return ok({ ...fleet.base, network: graph, layout: head });
      },
    };
    const runs = unwrap(await openRuns({ ...fleet.ports, bases }));
    const { network: _, ...plan } = sampleRunPlan({
      trains: 'head',
      rounds: 2,
      work: { learningRate: 1 },
      clients: { target: 3, min: 3, overSelect: 1 },
    });
    unwrap(await runs.start(plan, 'me'));
    expect(runs.get('run-1')?.learn).toMatchObject({ version: 2, trains: 'head', layout: head });
    expect(await turnRuns(fleet, runs)).toBe(true);
    const state = runs.get('run-1');
    expect(state?.phase).toMatchObject({ kind: 'completed' });
    expect(state?.history).toMatchObject([{ used: 3 }, { used: 3 }]);
    expect(new Set(fleet.heard.map(({ device }) => device))).toEqual(
      new Set(['device-3', 'device-4', 'device-5']),
    );
    expect(state?.model.parameters.bytes).toBe(4 * 3);
  });

  it('[RND16] whose clients would compute otherwise than its strategy reckons is not begun', async () => {
    const fleet = createLearnFleet({ devices: 4 });
    const runs = unwrap(await openRuns(fleet.ports));
    const started = async (more: Parameters<typeof sampleRunPlan>[0]): Promise<string> => {
      const run = await runs.start(sampleRunPlan(more), 'me');
      return run.ok ? 'begun' : run.error.message;
    };
    const nova = { name: 'fednova', localMomentum: 0.9 } as const;
    expect(await started({ strategy: nova })).toMatch(
      /fednova reckons with a local momentum of 0.9/,
    );
    const fair = { name: 'q-fedavg', q: 1, clientLearningRate: 0.1 } as const;
    expect(await started({ strategy: fair, work: { localNoise: 1, clipNorm: 1 } })).toMatch(
      /q-fedavg needs each client's loss/,
    );
    expect(await started({ strategy: fair, work: { learningRate: 0.2 } })).toMatch(
      /q-fedavg reckons with a learning rate of 0.1; clients train with 0.2/,
    );
    const controlled = { name: 'scaffold', clients: 4 } as const;
    expect(await started({ strategy: controlled, work: { momentum: 0.9 } })).toMatch(
      /scaffold reckons its control variates without momentum/,
    );
    expect(await started({ strategy: controlled, work: { localNoise: 1, clipNorm: 1 } })).toMatch(
      /scaffold sends a control variate, which has no noise/,
    );
    expect(await started({ work: { localNoise: 999, clipNorm: 1 } })).toMatch(/devices add/);
    expect(await started({ work: { personal: ['point'] } })).toMatch(
      /all that is trained is personal/,
    );
    for (const bufferSize of [2, 5])
      expect(await started({ strategy: { name: 'fedbuff', bufferSize } })).toMatch(
        /clients.target is (more|less) than bufferSize/,
      );
    const private_ = { privacy: privacy(50), sampling };
    expect(await started({ ...private_, eligibility: { separationMs: 1_000 } })).toBe(
      'a private run draws each device in each round: separationMs would keep some of them out; a private round is what chance has chosen; clients.min of 2 would drop the small ones',
    );
  });

  it('[RND16] is refused with every obstacle where it could never end', async () => {
    const fleet = createLearnFleet({ devices: 4 });
    const runs = unwrap(await openRuns(fleet.ports));
    const plan = sampleRunPlan({
      rounds: 2,
      evaluate: { everyRounds: 3, clients: 2 },
      work: { localNoise: 1, examplesMin: 100, examplesMax: 10 },
    });
    const started = await runs.start(plan, 'me');
    expect(started).toMatchObject({ error: { code: 'invalid_argument' } });
    if (!started.ok)
      expect(started.error.message.split('; ')).toEqual([
        'examplesMin is more than examplesMax',
        'localNoise needs a clipNorm',
        expect.stringMatching(/everyRounds/),
      ]);
    expect(runs.list()).toEqual([]);
  });
});
