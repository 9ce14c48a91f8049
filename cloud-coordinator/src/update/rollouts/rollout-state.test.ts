import { defined } from '@skerry/shared';
import { describe, expect, it } from 'vitest';
import { readEvents, writeEvent } from '../../event-log/event-log.ts';
import {
  candidateDigest,
  digestOf,
  incumbentDigest,
  sampleBundleRef,
  sampleHealth,
  samplePlan,
} from '../../testing/sample-rollout.ts';
import { deadlineOf, phaseEnd } from './due-events.ts';
import { explainDevice, explainRollout } from './explain.ts';
import { tellsMax } from './member.ts';
import { planIssues } from './plan-issues.ts';
import { type RolloutEvent, rolloutEventSchema, type Verdict } from './rollout-event.ts';
import type { RolloutPlan } from './rollout-plan.ts';
import { begin, type Phase, type RolloutState, replay, transition } from './rollout-state.ts';
import { timeToSafe } from './time-to-safe.ts';

const tallyOfNone = {
  members: 0,
  waiting: 0,
  underWay: 0,
  succeeded: 0,
  failed: 0,
  refused: 0,
  unreachable: 0,
  exempt: 0,
};
const judged = (wave: number, verdict: Verdict['verdict'], atMs = 5): RolloutEvent => ({
  kind: 'judged',
  atMs,
  wave,
  verdict: { verdict, reasons: ['because'], evidence: [], tally: tallyOfNone },
});
const by = 'an operator';
const ordered = (
  kind: 'paused' | 'resumed' | 'aborted' | 'rollback-ordered',
  atMs = 5,
): RolloutEvent => ({ kind, atMs, by, reason: 'so' });
const created = (plan: RolloutPlan = samplePlan()) => ({
  kind: 'created' as const,
  atMs: 0,
  by,
  plan,
  candidate: sampleBundleRef(),
  waves: [
    { where: {}, below: 0.5, approval: false, size: 1 },
    { where: {}, below: 1, approval: false, size: 1 },
  ],
});
const after = (state: RolloutState, ...events: RolloutEvent[]): RolloutState =>
  events.reduce((each, event) => transition(each, event).state, state);
const joined = (...devices: string[]): RolloutEvent => ({
  kind: 'joined',
  atMs: 1,
  members: devices.map((device) => ({
    device,
    site: 'site-0',
    wave: 0,
    online: true,
    running: incumbentDigest,
  })),
});
const issued = (
  device: string,
  goal: 'candidate' | 'previous' = 'candidate',
  atMs = 2,
): RolloutEvent => ({
  kind: 'issued',
  atMs,
  issues: [{ device, goal, fetchAtMs: atMs, activateAtMs: atMs }],
});
let op = 0;
const reported = (
  device: string,
  state: Extract<RolloutEvent, { kind: 'reported' }>['reports'][number]['state'],
  atMs = 3,
): RolloutEvent => ({
  kind: 'reported',
  atMs,
  reports: [{ device, op: ++op, state, health: sampleHealth() }],
});
const heard = (
  device: string,
  running: string | undefined,
  seenMs = 4,
  online = true,
): RolloutEvent => ({
  kind: 'heard',
  atMs: seenMs,
  devices: [{ device, online, seenMs, ...(running === undefined ? {} : { running }) }],
});
const progressOf = (state: RolloutState, device: string) => state.members.get(device)?.progress;

const at: Record<Phase['kind'], RolloutState> = (() => {
  const running = begin(created());
  const paused = after(running, ordered('paused'));
  const completed = after(running, judged(0, 'promote'), judged(1, 'promote'));
  // Somebody who may hold it and is there, so that the rollback has something to wait for.
  const held = after(running, joined('device-0'), issued('device-0'));
  const rollingBack = after(held, ordered('rollback-ordered'));
  return {
    'awaiting-approval': begin(created(samplePlan({ approvals: 'each-wave' }))),
    running,
    paused,
    completed,
    aborted: after(running, ordered('aborted')),
    'rolling-back': rollingBack,
    'rolled-back': after(running, ordered('rollback-ordered')),
  };
})();

const events = {
  approved: { kind: 'approved', atMs: 5, by },
  paused: ordered('paused'),
  resumed: ordered('resumed'),
  aborted: ordered('aborted'),
  'rollback-ordered': ordered('rollback-ordered'),
  promote: judged(0, 'promote'),
  hold: judged(0, 'hold'),
  pause: judged(0, 'pause'),
  rollback: judged(0, 'rollback'),
  'timed-out': { kind: 'timed-out', atMs: 5 },
} satisfies Record<string, RolloutEvent>;

describe('the phases of a rollout', () => {
  const same = undefined;
  const table: Record<Phase['kind'], Record<keyof typeof events, Phase['kind'] | undefined>> = {
    'awaiting-approval': {
      approved: 'running',
      paused: 'paused',
      resumed: same,
      aborted: 'aborted',
      'rollback-ordered': 'rolled-back',
      promote: same,
      hold: same,
      pause: same,
      rollback: same,
      'timed-out': 'paused',
    },
    running: {
      approved: same,
      paused: 'paused',
      resumed: same,
      aborted: 'aborted',
      'rollback-ordered': 'rolled-back',
      promote: 'running',
      hold: same,
      pause: 'paused',
      rollback: 'rolled-back',
      'timed-out': 'paused',
    },
    paused: {
      approved: same,
      paused: same,
      resumed: 'running',
      aborted: 'aborted',
      'rollback-ordered': 'rolled-back',
      promote: same,
      hold: same,
      pause: same,
      rollback: same,
      'timed-out': 'rolled-back',
    },
    completed: {
      approved: same,
      paused: same,
      resumed: same,
      aborted: same,
      'rollback-ordered': 'rolled-back',
      promote: same,
      hold: same,
      pause: same,
      rollback: same, // Of wave 0, which was over.
      'timed-out': same,
    },
    aborted: {
      approved: same,
      paused: same,
      resumed: same,
      aborted: same,
      'rollback-ordered': 'rolled-back',
      promote: same,
      hold: same,
      pause: same,
      rollback: same,
      'timed-out': same,
    },
    'rolling-back': {
      approved: same,
      paused: same,
      resumed: same,
      aborted: same,
      'rollback-ordered': same,
      promote: same,
      hold: same,
      pause: same,
      rollback: same,
      'timed-out': 'rolled-back',
    },
    'rolled-back': {
      approved: same,
      paused: same,
      resumed: same,
      aborted: same,
      'rollback-ordered': same,
      promote: same,
      hold: same,
      pause: same,
      rollback: same,
      'timed-out': same,
    },
  };

  for (const [phase, row] of Object.entries(table))
    for (const [event, next] of Object.entries(row))
      it(`[ROL1] ${phase} and ${event} make ${next ?? 'no change'}`, () => {
        const before = at[phase as Phase['kind']];
        const { state } = transition(before, events[event as keyof typeof events]);
        expect(state.phase.kind).toBe(next ?? phase);
        if (next === undefined) expect(state.phase).toBe(before.phase);
      });

  it('[ROL1] a promotion opens the next wave, and the last one completes', () => {
    expect(after(at.running, judged(0, 'promote')).phase).toMatchObject({
      kind: 'running',
      wave: 1,
    });
    expect(at.completed.phase).toMatchObject({ kind: 'completed', wave: 1 });
    const asked = begin(created(samplePlan({ approvals: 'each-wave' })));
    const open = after(asked, events.approved, judged(0, 'promote'));
    expect(open.phase).toMatchObject({ kind: 'awaiting-approval', wave: 1 });
  });

  it('[ROL1] a verdict on another wave than the present one is none', () => {
    expect(after(at.running, judged(1, 'rollback')).phase.kind).toBe('running');
    expect(after(at.completed, judged(1, 'rollback')).phase.kind).toBe('rolled-back');
  });

  it('[ROL2] a log that is read back folds to the same state', () => {
    const log: RolloutEvent[] = [
      created(),
      joined('device-0', 'device-1'),
      issued('device-0'),
      reported('device-0', 'fetching'),
      reported('device-0', 'confirmed'),
      heard('device-0', candidateDigest),
      { kind: 'lapsed', atMs: 9, devices: ['device-1'] },
      judged(0, 'promote'),
      ordered('rollback-ordered', 20),
    ];
    const read = readEvents(log.map(writeEvent), rolloutEventSchema);
    expect(read).toEqual({ ok: true, value: log });
    expect(replay(read.ok ? read.value : [])).toEqual(replay(log));
    expect(readEvents(['{"kind":"guessed"}'], rolloutEventSchema)).toMatchObject({
      error: { code: 'storage_failed' },
    });
  });
});

describe('a member', () => {
  const told = after(begin(created()), joined('device-0'), issued('device-0'));
  const confirmed = after(told, reported('device-0', 'soaking'), reported('device-0', 'confirmed'));

  it('[ROL3] has succeeded when its heartbeat names the candidate, not when it says so', () => {
    expect(progressOf(confirmed, 'device-0')).toMatchObject({
      kind: 'under-way',
      state: 'confirmed',
    });
    expect(
      progressOf(after(confirmed, heard('device-0', candidateDigest)), 'device-0'),
    ).toMatchObject({
      kind: 'succeeded',
      already: false,
    });
    const late = after(confirmed, { kind: 'lapsed', atMs: 99, devices: ['device-0'] });
    expect(progressOf(late, 'device-0')).toMatchObject({ kind: 'failed' });
  });

  it('[ROL3] has failed when it runs something else afterwards', () => {
    const succeeded = after(confirmed, heard('device-0', candidateDigest));
    expect(
      progressOf(after(succeeded, heard('device-0', incumbentDigest)), 'device-0'),
    ).toMatchObject({
      kind: 'failed',
      told: true,
    });
  });

  it('[ROL4] that was silent before it began was not reached, and after it had begun has failed', () => {
    const lapsed: RolloutEvent = { kind: 'lapsed', atMs: 99, devices: ['device-0'] };
    expect(progressOf(after(told, lapsed), 'device-0')).toEqual({ kind: 'waiting' });
    expect(progressOf(after(told, reported('device-0', 'assigned'), lapsed), 'device-0')).toEqual({
      kind: 'waiting',
    });
    for (const state of [
      'fetching',
      'verified',
      'staged',
      'shadowing',
      'activating',
      'soaking',
    ] as const)
      expect(
        progressOf(after(told, reported('device-0', state), lapsed), 'device-0'),
      ).toMatchObject({
        kind: 'failed',
        told: false,
      });
  });

  it('[ROL4] that was taken for failed by its silence is mended by what it says later', () => {
    const silent = after(told, reported('device-0', 'soaking'), {
      kind: 'lapsed',
      atMs: 99,
      devices: ['device-0'],
    });
    const mended = after(
      silent,
      reported('device-0', 'confirmed'),
      heard('device-0', candidateDigest, 200),
    );
    expect(progressOf(mended, 'device-0')).toMatchObject({ kind: 'succeeded' });
  });

  it('[ROL4] that tries again by itself has not failed, and has when it gives up', () => {
    const says = (
      state: 'rolled-back' | 'refused' | 'quarantined',
      code: string,
    ): RolloutEvent => ({
      kind: 'reported',
      atMs: 4,
      reports: [{ device: 'device-0', op: ++op, state, code, reason: code }],
    });
    const begun = after(told, reported('device-0', 'fetching'));
    const tries = after(begun, says('rolled-back', 'link'));
    expect(progressOf(tries, 'device-0')).toMatchObject({
      kind: 'under-way',
      state: 'rolled-back',
    });
    expect(progressOf(after(tries, says('refused', 'attempts')), 'device-0')).toMatchObject({
      kind: 'failed',
      told: true,
    });
    expect(progressOf(after(begun, says('rolled-back', 'health')), 'device-0')).toMatchObject({
      kind: 'failed',
    });
    expect(progressOf(after(told, says('refused', 'untrusted')), 'device-0')).toMatchObject({
      kind: 'refused',
    });
  });

  it('[ROL5] tells each report once, however often it is read', () => {
    const rolledBack = reported('device-0', 'rolled-back');
    const once = after(told, rolledBack, reported('device-0', 'assigned'));
    expect(after(once, rolledBack).members).toEqual(once.members);
  });

  it('[ROL6] that ran the candidate before proves nothing', () => {
    const state = after(begin(created()), {
      kind: 'joined',
      atMs: 1,
      members: [
        { device: 'device-0', site: 'site-0', wave: 0, online: true, running: candidateDigest },
      ],
    });
    expect(progressOf(state, 'device-0')).toMatchObject({ kind: 'succeeded', already: true });
  });

  it('[ROL6] that comes twice is one, in the wave that it had', () => {
    const twice = after(told, joined('device-0'));
    expect(twice.members).toEqual(told.members);
  });
});

describe('a rollback', () => {
  const fleet = after(
    begin(created()),
    joined('confirmed', 'begun', 'told', 'away', 'untouched'),
    ...['confirmed', 'begun', 'told', 'away'].map((device) => issued(device)),
    reported('confirmed', 'confirmed'),
    heard('confirmed', candidateDigest),
    reported('begun', 'activating'),
    reported('away', 'confirmed'),
    heard('away', candidateDigest),
    heard('away', undefined, 5, false),
  );
  const { state: turned, effects } = transition(fleet, ordered('rollback-ordered', 100));

  it('[ROL7] is for everybody who was ever told, also who has confirmed, and quarantines the bundle', () => {
    expect(effects).toContainEqual({ kind: 'quarantine', bundle: candidateDigest, reason: 'so' });
    for (const device of ['confirmed', 'begun', 'told', 'away'])
      expect(progressOf(turned, device)).toMatchObject({ kind: 'reverting' });
    expect(progressOf(turned, 'untouched')).toEqual({ kind: 'waiting' });
  });

  it('[ROL8] is done when nobody who is heard may run it, and lists who is away', () => {
    const online = ['confirmed', 'begun', 'told'];
    const saying = after(turned, ...[...online, 'away'].map((d) => issued(d, 'previous', 110)));
    // What was said before it was told is no answer.
    expect(after(saying, ...online.map((d) => heard(d, incumbentDigest, 109))).phase.kind).toBe(
      'rolling-back',
    );
    const done = after(saying, ...online.map((d, i) => heard(d, incumbentDigest, 120 + 10 * i)));
    expect(done.phase.kind).toBe('rolled-back');
    expect(timeToSafe(done)).toEqual({
      turned: 3,
      p50Ms: 30,
      p99Ms: 40,
      lastMs: 40,
      owed: ['away'],
    });
    const back = after(done, heard('away', candidateDigest, 500));
    expect(timeToSafe(back)?.owed).toEqual(['away']);
    expect(timeToSafe(after(back, heard('away', digestOf('a'), 510)))).toMatchObject({
      turned: 4,
      owed: [],
    });
    expect(timeToSafe(fleet)).toBeUndefined();
  });

  it('[ROL8] waits for nobody who refused it, and for who has no such model only until it is heard', () => {
    const lacking: RolloutEvent = {
      kind: 'joined',
      atMs: 1,
      members: [
        { device: 'misfit', site: 'site-0', wave: 0, online: true },
        { device: 'bare', site: 'site-0', wave: 0, online: true },
      ],
    };
    const told = after(begin(created()), lacking, issued('misfit'), issued('bare'));
    const back = after(told, reported('misfit', 'refused'), ordered('rollback-ordered', 100));
    expect(progressOf(back, 'misfit')).toMatchObject({ kind: 'safe' });
    expect(back.phase.kind).toBe('rolling-back');
    // It is told all the same: else it would take the candidate when it fits.
    const limits = { isClaimed: () => false };
    expect(planIssues(back, limits, 100)).toMatchObject([
      { device: 'misfit', goal: 'previous' },
      { device: 'bare', goal: 'previous' },
    ]);
    const waited = after(back, issued('misfit', 'previous', 101), issued('bare', 'previous', 101));
    expect(planIssues(waited, limits, 102)).toEqual([]);
    expect(after(waited, heard('bare', undefined, 101)).phase.kind).toBe('rolling-back');
    expect(after(waited, heard('bare', undefined, 102)).phase.kind).toBe('rolled-back');
  });

  it('[ROL8] tells who is there and does not go back a few times, and again when it was away', () => {
    const limits = { isClaimed: () => false };
    const isTold = (state: RolloutState, atMs: number): boolean =>
      planIssues(state, limits, atMs).some(({ device }) => device === 'confirmed');
    let state = turned;
    let tells = 0;
    for (let atMs = 200; atMs < 300 && isTold(state, atMs); atMs++, tells++)
      state = after(state, issued('confirmed', 'previous', atMs), {
        kind: 'lapsed',
        atMs,
        devices: ['confirmed'],
      });
    expect(tells).toBe(tellsMax);
    const member = () => defined(state.members.get('confirmed'), 'a member');
    expect(deadlineOf(member(), state.plan)).toBe(Number.POSITIVE_INFINITY);
    expect(explainDevice(state, 'confirmed', 400)).toMatch(/told 5 times to go back/);
    expect(timeToSafe(state)?.owed).toContain('confirmed');
    state = after(
      state,
      heard('confirmed', undefined, 500, false),
      heard('confirmed', undefined, 600),
    );
    expect(deadlineOf(member(), state.plan)).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  it('[ROL8] tells nothing more to who says that it cannot go back, and why', () => {
    const told = after(turned, issued('confirmed', 'previous', 110));
    const stays = after(told, {
      kind: 'reported',
      atMs: 120,
      reports: [
        {
          device: 'confirmed',
          op: ++op,
          state: 'quarantined',
          code: 'forbidden',
          reason: 'forbidden: nothing else runs here',
          running: candidateDigest,
        },
      ],
    });
    const member = defined(stays.members.get('confirmed'), 'a member');
    expect(deadlineOf(member, stays.plan)).toBe(Number.POSITIVE_INFINITY);
    expect(explainDevice(stays, 'confirmed', 400)).toMatch(/cannot.*nothing else runs here/);
    expect(progressOf(after(stays, heard('confirmed', incumbentDigest, 500)), 'confirmed')).toEqual(
      {
        kind: 'safe',
        atMs: 500,
      },
    );
  });

  it('[ROL17] ends by its time with who is owed, whatever they run', () => {
    const told = after(turned, ...['confirmed', 'begun', 'told'].map((d) => issued(d, 'previous')));
    const end = phaseEnd(told) ?? Number.NaN;
    expect(end).toBe(100 + samplePlan().timeouts.rollbackMs);
    const ended = after(told, { kind: 'timed-out', atMs: end });
    expect(ended.phase).toMatchObject({ kind: 'rolled-back', doneMs: end });
    expect(timeToSafe(ended)?.owed).toEqual(['away', 'begun', 'confirmed', 'told']);
    expect(explainRollout(ended, end)).toMatch(/3 that are heard still owe it/);
    expect(progressOf(ended, 'begun')).toMatchObject({ kind: 'reverting' });
  });

  it('[ROL9] what a device let go of before it was told makes it no safer: it may try again', () => {
    const tried = after(turned, reported('begun', 'rolled-back', 105));
    expect(progressOf(tried, 'begun')).toMatchObject({ kind: 'reverting', toldMs: undefined });
    expect(
      planIssues(tried, { isClaimed: () => false }, 106).map(({ device }) => device),
    ).toContain('begun');
    const told = after(
      tried,
      issued('begun', 'previous', 107),
      reported('begun', 'rolled-back', 108),
    );
    expect(progressOf(told, 'begun')).toMatchObject({ kind: 'safe' });
  });

  it('[ROL8] turns again who runs it again', () => {
    const safe = after(turned, reported('confirmed', 'quarantined'));
    expect(progressOf(safe, 'confirmed')).toMatchObject({ kind: 'safe' });
    expect(
      progressOf(after(safe, heard('confirmed', candidateDigest, 300)), 'confirmed'),
    ).toMatchObject({
      kind: 'reverting',
      toldMs: undefined,
    });
  });

  it('[ROL9] an abort turns back who has not confirmed, and quarantines nothing', () => {
    const aborted = transition(fleet, ordered('aborted', 100));
    expect(aborted.effects).toEqual([]);
    expect(progressOf(aborted.state, 'confirmed')).toMatchObject({ kind: 'succeeded' });
    expect(progressOf(aborted.state, 'begun')).toMatchObject({ kind: 'reverting' });
    expect(progressOf(aborted.state, 'told')).toMatchObject({ kind: 'reverting' });
  });

  it('[ROL9] a pause withdraws what was not taken, and lets go on what has begun', () => {
    const paused = after(fleet, ordered('paused', 100));
    expect(progressOf(paused, 'told')).toEqual({ kind: 'waiting' });
    expect(progressOf(paused, 'begun')).toMatchObject({ kind: 'under-way' });
  });
});
