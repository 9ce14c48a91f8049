// Masked runs over devices that are played, by a coordinator that is started anew at every turn.

import { assert, defined } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { type LearnTask, type SecureStage, secureStages } from '@skerry/sync-protocol/learn';
import { decodeSecurePlan, quantiseInput } from '@skerry/sync-protocol/secure-aggregation';
import { createSecureCohort } from '@skerry/sync-protocol/testing';
import { describe, expect, it } from 'vitest';
import type { LearnResult } from '../../testing/learn-devices.ts';
import { createLearnFleet, type LearnFleet } from '../../testing/learn-fleet.ts';
import { sampleRunPlan, weightsOf } from '../../testing/run-turns.ts';
import { runOwner } from './model-blobs.ts';
import type { RunPlanInput } from './run-plan.ts';
import type { RunState } from './run-state.ts';
import { openRuns } from './runs.ts';

const devices = 6;
const masking = { adversary: 'curious', thresholdMin: 2, range: 8, stageMs: 5_000 } as const;
const work = { learningRate: 1, examplesMax: 1_000 };
const plan = (more: Partial<RunPlanInput> = {}) =>
  sampleRunPlan({
    masking,
    work,
    rounds: 1,
    clients: { target: devices, min: 3, overSelect: 1 },
    timeouts: { gatherMs: 0, roundMs: 10_000 },
    ...more,
  });

type Silence = (device: string, stage: SecureStage, attempt: number) => boolean;
const silentFrom =
  (of: ReadonlyMap<string, SecureStage>): Silence =>
  (device, stage) => {
    const from = of.get(device);
    return from !== undefined && secureStages.indexOf(stage) >= secureStages.indexOf(from);
  };

async function play(
  more: Partial<RunPlanInput> = {},
  isSilent: Silence = () => false,
  {
    answer,
    isLate,
    onTurn,
  }: {
    readonly answer?: (
      device: string,
      task: LearnTask,
      clear: LearnResult,
    ) => LearnResult | undefined;
    /** Answered a turn later. */
    readonly isLate?: (device: string, task: LearnTask) => boolean;
    readonly onTurn?: (fleet: LearnFleet, state: RunState) => Promise<void>;
  } = {},
) {
  const names = Array.from({ length: devices }, (_, i) => `device-${i + 1}`);
  const cohort = createSecureCohort(names);
  const inputs = new Map<string, Uint32Array>();
  const late: [string, LearnTask][] = [];
  let model = new Float32Array(8);
  const reply = (device: string, { run, round, attempt, work: asked }: LearnTask): LearnResult => {
    const { participant, ports } = defined(cohort.members.get(device), device);
    const session = { run, round, attempt };
    if (asked.type === 'secure') {
      assert(asked.payload instanceof Uint8Array, 'it fits a task');
      const taken = participant.take(session, asked.payload, inputs.get(device));
      return { type: 'secure', stage: asked.stage, payload: unwrap(taken) };
    }
    assert(asked.type === 'train' && asked.secure !== undefined, 'a masked task');
    const secure = unwrap(decodeSecurePlan(asked.secure));
    const pull = defined(fleet.pulls.get(device), 'its pull');
    const update = pull.map((value, i) => value - (model[i] ?? 0));
    inputs.set(device, unwrap(quantiseInput(secure, update, 100, ports.cryptography)).words);
    return { type: 'secure', stage: 'keys', payload: unwrap(participant.join(session, secure)) };
  };
  const fleet = createLearnFleet({
    devices,
    answer(device, task) {
      const stage = task.work.type === 'secure' ? task.work.stage : 'keys';
      if (isSilent(device, stage, task.attempt)) return undefined;
      if (isLate?.(device, task)) {
        late.push([device, task]);
        return undefined;
      }
      return answer?.(device, task, clear) ?? reply(device, task);
    },
  });
  const update = await fleet.putUpdate(new Float32Array(8).fill(9));
  const counts = { examples: 100, steps: 1, completed: 1, metrics: {} };
  const clear: LearnResult = { type: 'trained', ...counts, update };
  const { cryptography, verifier } = cohort;
  const ports = { ...fleet.ports, masking: { cryptography, verifier } };
  const wanted = plan(more);
  unwrap(await unwrap(await openRuns(ports)).start(wanted, 'me'));
  let state: RunState | undefined;
  for (let turn = 0; turn < 200; turn++) {
    const runs = unwrap(await openRuns(ports)); // What the one before knew is gone.
    unwrap(await runs.turn());
    state = defined(runs.get('run-1'), 'the run');
    if (!('untilMs' in state.phase)) break;
    if (state.phase.kind === 'aggregating' && state.phase.masked !== undefined) {
      const { state: stored, inputs: came } = state.phase.masked;
      for (const { digest } of [stored, ...came.map(({ input }) => input)])
        expect(ports.references.owners(digest)).toContain(runOwner('run-1'));
    }
    for (const [device, task] of late.splice(0)) {
      const { run, round, attempt } = task;
      await fleet.reply(device, { run, round, attempt, result: reply(device, task) });
    }
    await onTurn?.(fleet, state);
    model = new Float32Array(await weightsOf(fleet, state));
    await fleet.step();
    fleet.clock.runNext(fleet.clock.nowMs() + 1_000);
  }
  const history = unwrap(await unwrap(await openRuns(ports)).history('run-1'));
  return { fleet, names, history, state: defined(state, 'the run') };
}

type Played = Awaited<ReturnType<typeof play>>;

/** All weigh alike: each has said 100 examples. */
async function expectMean({ fleet, state }: Played, survivors: readonly string[]): Promise<void> {
  expect(state.phase).toMatchObject({ kind: 'completed' });
  const weights = await weightsOf(fleet, state);
  for (const [i, weight] of weights.entries()) {
    const sum = survivors.reduce((all, name) => all + (fleet.pulls.get(name)?.[i] ?? 0), 0);
    expect(weight).toBeCloseTo(sum / survivors.length, 4);
  }
}

const contributorsOf = ({ history }: Played): string[][] =>
  history.flatMap((event) =>
    event.kind === 'aggregated' ? [event.contributions.map(({ device }) => device)] : [],
  );

describe('a masked run', () => {
  it('[MSK1] comes to the mean of its devices, round after round, and its log has no update', async () => {
    const played = await play({ rounds: 2 });
    await expectMean(played, played.names);
    expect(contributorsOf(played)).toEqual([played.names, played.names]);
    const outcomes = played.history.flatMap((event) =>
      event.kind === 'replied' ? event.replies.map(({ outcome }) => outcome.kind) : [],
    );
    expect(new Set(outcomes)).toEqual(new Set(['keyed']));
    const stages = played.history.flatMap((e) => (e.kind === 'masked' ? [e.record.stage] : []));
    expect([...new Set(stages)]).toEqual(['shares', 'input', 'consistency', 'unmask']);
  });

  it.each(secureStages)('[MSK2] goes on without devices that drop out at %s', async (stage) => {
    const gone = new Map([
      ['device-2', stage],
      ['device-5', stage],
    ]);
    const played = await play({}, silentFrom(gone));
    const isIn = ['consistency', 'unmask'].includes(stage);
    const survivors = played.names.filter((name) => isIn || !gone.has(name));
    await expectMean(played, survivors);
    expect(contributorsOf(played)).toEqual([survivors]);
  });

  it('[MSK3] begins anew where too few are left, with whom it may ask again', async () => {
    const played = await play(
      {},
      (device, stage, attempt) => attempt === 1 && stage !== 'keys' && device > 'device-3',
      {
        isLate: (device, { attempt }) => attempt === 2 && device === 'device-1',
        // Of the attempt before: it is no reason to wait for that device no longer.
        async onTurn(fleet, { phase }) {
          if (phase.kind !== 'aggregating' || phase.attempt !== 2) return;
          const result = { type: 'secure', stage: 'shares', payload: Uint8Array.of(1) } as const;
          for (const device of ['device-1', 'device-2'])
            await fleet.reply(device, { run: 'run-1', round: 0, attempt: 1, result });
        },
      },
    );
    await expectMean(played, played.names);
    const ends = played.fleet.heard.filter(({ task }) => task.work.type === 'end');
    expect(ends.filter(({ task }) => task.attempt === 2)).toEqual([]);
    const closed = played.history.flatMap((e) => (e.kind === 'closed' ? [e.reason] : []));
    expect(closed).toContainEqual(expect.stringContaining('3 clients at shares, 4 are needed'));
  });

  /** Of the first attempt two alone reveal shares. */
  const twoReveal = (): { readonly revealed: ReadonlySet<string>; readonly isSilent: Silence } => {
    const revealed = new Set<string>();
    const isSilent: Silence = (device, stage, attempt) => {
      if (attempt > 1 || stage !== 'unmask') return false;
      if (revealed.size < 2) revealed.add(device);
      return !revealed.has(device);
    };
    return { revealed, isSilent };
  };

  it('[MSK3] tries again after its last stage, without those who have revealed shares', async () => {
    const { revealed, isSilent } = twoReveal();
    const played = await play({ clients: { target: 4, min: 3, overSelect: 1 } }, isSilent);
    const survivors = played.names.filter((name) => !revealed.has(name));
    await expectMean(played, survivors);
    expect(played.history.filter(({ kind }) => kind === 'closed')).not.toEqual([]);
  });

  it('[MSK3] says, where too few are left who have not, that this is why', async () => {
    const { isSilent } = twoReveal();
    const few = { clients: { target: 6, min: 5, overSelect: 1 }, attemptsMax: 2 };
    const timeouts = { gatherMs: 0, selectMs: 5_000, roundMs: 10_000 };
    const { state } = await play({ ...few, timeouts }, isSilent);
    expect(state.phase).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('4 devices may be asked, 5 are needed; 2 have opened a sum'),
    });
  });

  it('[MSK4] quarantines an update in the clear, and keys that are none', async () => {
    const played = await play({}, undefined, {
      answer(device, { work: asked }, clear) {
        if (asked.type !== 'train') return undefined;
        if (device === 'device-1') return clear;
        if (device === 'device-2')
          return { type: 'secure', stage: 'keys', payload: Uint8Array.of(1) };
        return undefined;
      },
    });
    await expectMean(played, played.names.slice(2));
    expect(played.state.history).toMatchObject([{ clients: 4, used: 4, quarantined: 2 }]);
  });

  it('[MSK6] is refused where it could never end, with every obstacle', async () => {
    const fleet = createLearnFleet({ devices });
    const start = async (more: Partial<RunPlanInput>) => {
      const runs = unwrap(await openRuns(fleet.ports));
      const started = await runs.start(plan(more), 'me');
      return started.ok ? '' : started.error.message;
    };
    expect(await start({})).toContain('no certificates');
    expect(await start({ strategy: { name: 'median' } })).toContain('median looks at');
    expect(await start({ masking: { ...masking, thresholdMin: 5 } })).toContain('a sum needs 5');
    expect(await start({ masking: { adversary: 'curious' } })).toContain('a range or a clip norm');
    expect(await start({ masking: { ...masking, ringBits: 8 } })).toContain('too small');
  });

  it('[RND2] has at work for it whoever masks: another run asks them not', async () => {
    let why: readonly string[] = [];
    await play({}, () => false, {
      async onTurn(fleet, { phase }) {
        if (why.length > 0 || phase.kind !== 'aggregating') return;
        const runs = unwrap(await openRuns(fleet.ports));
        unwrap(await runs.start(sampleRunPlan({ id: 'run-2' }), 'me'));
        why = runs.why('device-1');
        unwrap(await runs.stop('run-2', { by: 'me', reason: 'it has been looked at' }));
      },
    });
    expect(why).toEqual(['run-1: has trained, and masks', 'run-2: is not asked: busy']);
  });
});
