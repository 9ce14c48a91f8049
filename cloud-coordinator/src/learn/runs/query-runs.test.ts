// Queries over devices that are played: what they answer, what is refused, and what the operator is shown of it.

import { assert, defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import {
  cellName,
  type LearnTask,
  learnPlanVersions,
  maskedAnswer,
  planVersionsKnown,
  readQueryPlan,
  type SecureStage,
} from '@skerry/sync-protocol/learn';
import { quantiseInput } from '@skerry/sync-protocol/secure-aggregation';
import { createSecureCohort } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import type { LearnResult } from '../../testing/learn-devices.ts';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import { sampleRunPlan, turnRuns } from '../../testing/run-turns.ts';
import type { RunPlan, RunPlanInput } from './run-plan.ts';
import type { RunState } from './run-state.ts';
import { openRuns } from './runs.ts';

const plan = (more: Partial<RunPlanInput> = {}): RunPlan => {
  const { network: _, ...sample } = sampleRunPlan({
    query: { question: { kind: 'labels' } },
    rounds: 1,
    clients: { target: 6, min: 3, overSelect: 1 },
    work: { examplesMin: 1, examplesMax: 100 },
    timeouts: { gatherMs: 0, roundMs: 10_000 },
    ...more,
  });
  return sample;
};

/** By label of the base: a, b, c. */
const held = (device: string): number[] => {
  const place = Number(device.split('-')[1]);
  return [place, 10, place === 6 ? 5 : 0];
};
const queried = (counts: readonly number[]): LearnResult => ({
  type: 'queried',
  examples: counts.reduce((sum, count) => sum + count, 0),
  values: Object.fromEntries(counts.map((count, cell) => [cellName(cell), count])),
});

type Answered = (device: string, task: LearnTask) => LearnResult | undefined;
const knowing = { plans: [...planVersionsKnown], networks: [], idle: true };

function createFleet(answer: Answered, devices = 6) {
  return createLearnFleet({
    devices,
    answer,
    describe: (_, i) => ({
      // Of whatever version of the model it runs.
      running: {},
      learn: { ...knowing, examples: [{ model: 'digits', count: 10 + i }] },
    }),
  });
}

async function play(
  answer: Answered = (device) => queried(held(device)),
  more: Partial<RunPlanInput> = {},
  devices = 6,
) {
  const fleet = createFleet(answer, devices);
  const runs = unwrap(await openRuns(fleet.ports));
  unwrap(await runs.start(plan(more), 'me'));
  await turnRuns(fleet, runs, 600_000);
  const state = defined(runs.get('run-1'), 'the run');
  return { fleet, runs, state, history: unwrap(await runs.history('run-1')) };
}

const outcomesOf = ({ history }: Awaited<ReturnType<typeof play>>) =>
  history.flatMap((event) =>
    event.kind === 'replied' ? event.replies.map(({ outcome }) => outcome) : [],
  );

describe('a query', () => {
  it('[QRY1] asks by the base’s labels, and ends with how many examples there are of each', async () => {
    const { fleet, state, runs } = await play();
    const asked = fleet.heard.flatMap(({ task: { work } }) =>
      work.type === 'query' ? [work] : [],
    );
    expect(asked).toHaveLength(6);
    const read = unwrap(readQueryPlan(defined(asked[0], 'a query').plan));
    expect(read).toMatchObject({
      version: 3,
      model: 'digits',
      base: fleet.base.bundle,
      question: { kind: 'labels', labels: ['a', 'b', 'c'] },
      examplesMax: 100,
    });
    expect(state).toMatchObject({ phase: { kind: 'completed' }, round: 1 });
    // Of c one device has examples: they are told with those of a, the first of the rarest.
    expect(state.tally).toEqual({
      devicesMin: 3,
      whole: { devices: 6, examples: 86, counts: { b: 60 }, rest: 26 },
      cohorts: {},
      withheld: ['a', 'c'],
    });
    expect(runs.why('run-1')).toEqual(['completed: 1 of 1 rounds']);
  });

  it('[QRY1] is the same from its log, by a coordinator that is started anew at every turn', async () => {
    const fleet = createFleet((device) => queried(held(device)));
    unwrap(await unwrap(await openRuns(fleet.ports)).start(plan(), 'me'));
    let state: RunState | undefined;
    for (let turn = 0; turn < 50; turn++) {
      const runs = unwrap(await openRuns(fleet.ports));
      unwrap(await runs.turn());
      state = runs.get('run-1');
      await fleet.step();
      fleet.clock.runNext(fleet.clock.nowMs() + 1_000);
    }
    expect(state?.tally?.whole).toMatchObject({ devices: 6, examples: 86 });
    // Each was asked once.
    expect(fleet.heard.filter(({ task }) => task.work.type === 'query')).toHaveLength(6);
  });

  it('[QRY1] is told to devices alone that know its version', async () => {
    const fleet = createFleet((device) => queried(held(device)));
    for (const device of ['device-1', 'device-2'])
      fleet.change(device, {
        learn: {
          ...knowing,
          plans: [...learnPlanVersions],
          examples: [{ model: 'digits', count: 10 }],
        },
      });
    const runs = unwrap(await openRuns(fleet.ports));
    unwrap(await runs.start(plan(), 'me'));
    expect(runs.why('run-1')[0]).toMatch(/4 may be asked; not: 2 plan-unknown/);
    await turnRuns(fleet, runs);
    expect(runs.get('run-1')?.tally?.whole.devices).toBe(4);
  });

  const spoilt: [string, LearnResult][] = [
    ['a count too few', queried([1, 2])],
    ['a count too many', queried([1, 2, 3, 4])],
    ['more than the plan’s examples', queried([50, 51, 0])],
    ['no example', queried([0, 0, 0])],
    ['part of an example', queried([1, 2, 0.5])],
    ['fewer than none', queried([5, -1, 0])],
    ['other examples than it counts', { ...queried([1, 2, 3]), examples: 7 } as LearnResult],
  ];
  it.each(spoilt)('[QRY2] quarantines an answer with %s', async (_, result) => {
    const played = await play((device) => (device === 'device-6' ? result : queried([1, 1, 1])));
    const quarantined = outcomesOf(played).filter(({ kind }) => kind === 'quarantined');
    expect(quarantined).toHaveLength(1);
    expect(played.state.tally?.whole).toMatchObject({ devices: 5, examples: 15 });
  });

  it('[QRY4] with fewer than the minimum tells nothing, asks again, and fails', async () => {
    const declined: LearnResult = { type: 'declined', reason: 'no-consent' };
    const { state } = await play(
      (device) => (device < 'device-3' ? queried([1, 1, 1]) : declined),
      { attemptsMax: 2, timeouts: { gatherMs: 0, selectMs: 1_000, roundMs: 10_000 } },
    );
    expect(state.tally).toBeUndefined();
    expect(state.phase).toMatchObject({ kind: 'failed' });
  });

  it('[QRY4] is refused where it could tell of single devices, or trains', async () => {
    const { ports } = createFleet(() => undefined);
    const runs = unwrap(await openRuns(ports));
    const clip = { kind: 'fixed', norm: 1 } as const;
    const central = { noiseMultiplier: 1, samplingRate: 0.5, clients: 4, clip };
    const budget = { epsilonMax: 50, delta: 1e-3 };
    const refused: [Partial<RunPlanInput>, RegExp][] = [
      [{ clients: { target: 6, min: 2 } }, /a query of 2 devices tells of one; 3 at least/],
      [{ rounds: 2 }, /a query has one round/],
      [{ evaluate: { clients: 3 } }, /a query trains nothing: it has no evaluate/],
      [{ sampling: { kind: 'poisson', share: 0.5 } }, /a query asks a number of devices/],
      [
        { masking: {}, query: { question: { kind: 'labels' }, cohort: 'site' } },
        /a masked query has one sum, and no cohorts/,
      ],
      [{ masking: {} }, /nothing is masked here/],
      [{ privacy: { central, budget } }, /noise in a query is of its devices/],
    ];
    for (const [more, message] of refused)
      expect(await runs.start(plan(more), 'me')).toMatchObject({
        error: { code: 'invalid_argument', message: expect.stringMatching(message) },
      });
  });

  it('[QRY3] tells quantiles where no bin is withheld, and there alone', async () => {
    const question = { kind: 'inputs', measure: 'mean', from: 0, to: 3, bins: 3 } as const;
    const all = await play(() => queried([1, 1, 1]), { query: { question } });
    expect(all.state.tally?.quantiles).toMatchObject({ median: 1.5 });
    const some = await play(undefined, { query: { question } });
    expect(some.state.tally?.withheld).toHaveLength(2);
    expect(some.state.tally).not.toHaveProperty('quantiles');
  });

  it('[RND25] has a log that may go, for it has made no model', async () => {
    const { fleet } = await play();
    fleet.clock.runNext(fleet.clock.nowMs() + 2 * 3_600_000);
    const retention = { endedMax: 0, endedMs: 1e12 };
    const runs = unwrap(await openRuns(fleet.ports, { retention }));
    expect(runs.list()).toHaveLength(1);
    unwrap(await runs.turn());
    expect(runs.list()).toEqual([]);
  });

  it('[QRY3] tells cohorts apart where the plan asks for them', async () => {
    const { state } = await play((device) => queried([Number(device.slice(-1)), 1, 1]), {
      query: { question: { kind: 'labels' }, cohort: 'site' },
    });
    expect(state.tally?.cohorts).toEqual({
      'site-0': { devices: 3, examples: 15, counts: { a: 9, b: 3, c: 3 }, rest: 0 },
      'site-1': { devices: 3, examples: 18, counts: { a: 12, b: 3, c: 3 }, rest: 0 },
    });
  });
});

describe('a masked query', () => {
  async function playMasked(
    isSilent: (device: string, stage: SecureStage) => boolean,
    min = 4,
    more: Partial<RunPlanInput> = {},
  ) {
    const names = Array.from({ length: 6 }, (_, i) => `device-${i + 1}`);
    const cohort = createSecureCohort(names);
    const inputs = new Map<string, Uint32Array>();
    const fleet = createFleet((device, { run, round, attempt, work }) => {
      const { participant, ports } = defined(cohort.members.get(device), device);
      const session = { run, round, attempt };
      if (isSilent(device, work.type === 'secure' ? work.stage : 'keys')) return undefined;
      if (work.type === 'secure') {
        assert(work.payload instanceof Uint8Array, 'it fits a task');
        const taken = participant.take(session, work.payload, inputs.get(device));
        return { type: 'secure', stage: work.stage, payload: unwrap(taken) };
      }
      assert(work.type === 'query', 'a query');
      const secure = defined(unwrap(readQueryPlan(work.plan)).secure, 'a masked one');
      const counts = held(device);
      const total = counts.reduce((sum, count) => sum + count, 0);
      const input = quantiseInput(secure, maskedAnswer(counts, secure), total, ports.cryptography);
      inputs.set(device, unwrap(input).words);
      return { type: 'secure', stage: 'keys', payload: unwrap(participant.join(session, secure)) };
    });
    const { cryptography, verifier } = cohort;
    const ports = { ...fleet.ports, masking: { cryptography, verifier } };
    const runs = unwrap(await openRuns(ports));
    const masking = { adversary: 'curious', thresholdMin: 3, stageMs: 5_000 } as const;
    const clients = { target: 6, min, overSelect: 1 };
    unwrap(await runs.start(plan({ masking, clients, ...more }), 'me'));
    await turnRuns(fleet, runs, 600_000);
    return { state: defined(runs.get('run-1'), 'the run'), runs };
  }

  it('[QRY5] comes to the very counts of all, and neither log nor reply has one device’s', async () => {
    const { state, runs } = await playMasked(() => false);
    expect(state.tally).toMatchObject({
      devicesMin: 4,
      whole: { devices: 6, examples: 86, counts: { b: 60 }, rest: 26 },
      withheld: ['a', 'c'],
    });
    const outcomes = unwrap(await runs.history('run-1')).flatMap((event) =>
      event.kind === 'replied' ? event.replies.map(({ outcome }) => outcome.kind) : [],
    );
    expect(new Set(outcomes)).toEqual(new Set(['keyed']));
  });

  it('[QRY5] goes on without who drops out, and opens no sum of fewer than it would tell', async () => {
    const gone = (count: number) => (device: string, stage: SecureStage) =>
      stage !== 'keys' && device <= `device-${count}`;
    const two = await playMasked(gone(2));
    expect(two.state.tally?.whole).toMatchObject({ devices: 4, examples: 63 });
    // Four would open a sum of their own accord.
    const four = await playMasked(gone(2), 5);
    expect(four.state.tally).toBeUndefined();
    expect(four.state.phase).toMatchObject({ kind: 'failed' });
  });

  it('[QRY6] with noise of its devices withholds nothing, says how much it is, and is paid for', async () => {
    const distributed = { noiseMultiplier: 0.01, clip: 100 };
    const privacy = { distributed, budget: { epsilonMax: 1e6, delta: 1e-5 } };
    const gone = (device: string, stage: SecureStage) => stage === 'input' && device === 'device-1';
    const { state, runs } = await playMasked(gone, 4, { privacy });
    // z is of four, and five are in it.
    const sigma = 0.01 * 100 * Math.sqrt(5 / 4);
    expect(state.tally).toMatchObject({ withheld: [], noiseSigma: expect.closeTo(sigma, 9) });
    const { a = 0, b = 0, c = 0 } = state.tally?.whole.counts ?? {};
    for (const [count, truth] of [
      [a, 20],
      [b, 50],
      [c, 5],
    ] as const)
      expect(Math.abs(count - truth)).toBeLessThan(7 * sigma);
    expect(state.privacy?.ledger).toMatchObject({ committed: 1, released: 1 });
    const kinds = unwrap(await runs.history('run-1')).map(({ kind }) => kind);
    expect(kinds.slice(-2)).toEqual(['privacy-released', 'tallied']);
  });

  it('[QRY6] is not asked where its noise is more than the budget has', async () => {
    const distributed = { noiseMultiplier: 0.5, clip: 100 };
    const privacy = { distributed, budget: { epsilonMax: 0.1, delta: 1e-5 } };
    const { ports } = createFleet(() => undefined);
    const { cryptography, verifier } = createSecureCohort(3);
    const runs = unwrap(await openRuns({ ...ports, masking: { cryptography, verifier } }));
    expect(await runs.start(plan({ masking: {}, privacy }), 'me')).toMatchObject({
      error: { message: 'the privacy budget has not one round' },
    });
    expect(await runs.start(plan({ privacy }), 'me')).toMatchObject({
      error: { message: 'noise of devices is for masked runs' },
    });
  });

  it('[QRY5] quarantines what comes in the clear', async () => {
    const fleet = createFleet((device) => queried(held(device)));
    const { cryptography, verifier } = createSecureCohort(3);
    const runs = unwrap(await openRuns({ ...fleet.ports, masking: { cryptography, verifier } }));
    unwrap(await runs.start(plan({ masking: {}, attemptsMax: 1 }), 'me'));
    await turnRuns(fleet, runs, 600_000);
    expect(runs.get('run-1')).toMatchObject({ phase: { kind: 'failed' }, tally: undefined });
    const outcomes = unwrap(await runs.history('run-1')).flatMap((event) =>
      event.kind === 'replied' ? event.replies.map(({ outcome }) => outcome) : [],
    );
    const reason = 'an answer that is not masked';
    expect(outcomes).toEqual(Array(6).fill({ kind: 'quarantined', reason }));
  });
});
