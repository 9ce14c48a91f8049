// Masked runs over devices that are played, by a coordinator that is started anew at every turn.

import { unwrap } from '@skerry/shared/testing';
import { secureStages } from '@skerry/sync-protocol/learn';
import { describe, expect, it } from 'vitest';
import { createLearnFleet } from '../../testing/learn-fleet.ts';
import {
  type MaskedPlayOptions,
  maskedDevices,
  playMasked,
  type Silence,
  silentFrom,
} from '../../testing/play-masked.ts';
import { sampleRunPlan, weightsOf } from '../../testing/run-turns.ts';
import type { RunPlanInput } from './run-plan.ts';
import { openRuns } from './runs.ts';

const devices = maskedDevices;
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

const play = (
  more: Partial<RunPlanInput> = {},
  isSilent?: Silence,
  options?: MaskedPlayOptions,
): Promise<Played> => playMasked(plan(more), isSilent, options);

type Played = Awaited<ReturnType<typeof playMasked>>;

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
