import { describe, expect, it } from 'vitest';
import { incumbentDigest, sampleBundleRef, samplePlan } from '../../testing/sample-rollout.ts';
import { deadlineOf, dueEvents, observe, tally } from './due-events.ts';
import { explainDevice, explainRollout } from './explain.ts';
import { fleetLine, planIssues } from './plan-issues.ts';
import type { RolloutEvent } from './rollout-event.ts';
import type { RolloutPlanInput } from './rollout-plan.ts';
import { begin, type RolloutState, transition } from './rollout-state.ts';

const minuteMs = 60_000;
const free = { isClaimed: () => false };
const after = (state: RolloutState, ...events: RolloutEvent[]): RolloutState =>
  events.reduce((each, event) => transition(each, event).state, state);

/** Waves of `sizes`; device `w-i` is the i-th of wave w. */
function fleet(sizes: readonly number[], plan: Partial<RolloutPlanInput> = {}): RolloutState {
  const state = begin({
    kind: 'created',
    atMs: 0,
    by: 'an operator',
    plan: samplePlan(plan),
    candidate: sampleBundleRef(),
    waves: sizes.map((size) => ({ where: {}, below: 1, approval: false, size })),
  });
  return after(state, ...sizes.map((size, wave) => joined(wave, size)));
}
const joined = (wave: number, size: number, from = 0): RolloutEvent => ({
  kind: 'joined',
  atMs: 0,
  members: Array.from({ length: size }, (_, i) => ({
    device: `${wave}-${from + i}`,
    site: `site-${i % 2}`,
    wave,
    online: true,
    running: incumbentDigest,
  })),
});
const issue = (state: RolloutState, nowMs: number): RolloutState => {
  const issues = planIssues(state, free, nowMs);
  return issues.length === 0
    ? state
    : after(state, { kind: 'issued', atMs: nowMs, issues: [...issues] });
};
const hear = (online: boolean, ...devices: string[]): RolloutEvent => ({
  kind: 'heard',
  atMs: 1,
  devices: devices.map((device) => ({ device, online, seenMs: 1 })),
});
let op = 0;
const report = (
  state: 'assigned' | 'fetching' | 'stopped' | 'confirmed',
  device: string,
): RolloutEvent => ({
  kind: 'reported',
  atMs: 2,
  reports: [{ device, op: ++op, state }],
});
const order = (kind: 'paused' | 'rollback-ordered'): RolloutEvent => ({
  kind,
  atMs: 3,
  by: 'an operator',
  reason: 'so',
});
const told = (state: RolloutState, goal: string): string[] =>
  [...state.members].filter(([, each]) => each.goal === goal).map(([device]) => device);

describe('who is told what', () => {
  it('[ROL13] is told the candidate in the open wave alone, and a late one is of its own wave', () => {
    const state = issue(fleet([3, 3]), 0);
    expect(told(state, 'candidate')).toEqual(['0-0', '0-1', '0-2']);
    const late = issue(after(state, joined(1, 1, 9), joined(0, 1, 9)), 1);
    expect(told(late, 'candidate')).toEqual(['0-0', '0-1', '0-2', '0-9']);
  });

  it('[ROL13] one who comes late does not open a wave again that was over', () => {
    const verdict = {
      verdict: 'promote' as const,
      reasons: [],
      evidence: [],
      tally: tally(fleet([3]), 0),
    };
    const open = after(fleet([3, 3]), { kind: 'judged', atMs: 1, wave: 0, verdict });
    const late = after(open, joined(0, 1, 9));
    expect(late.phase).toMatchObject({ kind: 'running', wave: 1 });
    expect(observe(late).tally).toEqual(observe(open).tally);
    expect(told(issue(late, 2), 'candidate')).toContain('0-9');
  });

  it('[ROL13] after the completion gets the candidate, from a paused rollout never', () => {
    const verdict = {
      verdict: 'promote' as const,
      reasons: [],
      evidence: [],
      tally: tally(fleet([3]), 0),
    };
    const completed = after(
      fleet([3]),
      { kind: 'judged', atMs: 1, wave: 0, verdict },
      joined(0, 1, 9),
    );
    expect(told(issue(completed, 2), 'candidate')).toContain('0-9');
    const paused = after(fleet([3]), order('paused'), joined(0, 1, 9));
    expect(told(issue(paused, 2), 'candidate')).toEqual([]);
  });

  it('[ROL14] never lets more fetch in a minute than the herd may, however late each hears of it', () => {
    for (const perMinute of [1, 7, 60, 500]) {
      const plan = { herd: { fetchesPerMinute: perMinute, activationsPerMinute: perMinute } };
      let state = fleet([400], plan);
      for (let nowMs = 0; nowMs < 60 * minuteMs; nowMs += 10_000) state = issue(state, nowMs);
      const starts = [...state.members.values()].flatMap(({ progress }, i) =>
        progress.kind === 'issued' ? [progress.fetchAtMs + ((i * 7_919) % 15_000)] : [],
      );
      starts.sort((a, b) => a - b);
      for (const [i, start] of starts.entries()) {
        const within = starts.slice(i).findIndex((each) => each >= start + minuteMs);
        expect(within === -1 ? starts.length - i : within).toBeLessThanOrEqual(perMinute);
      }
      // And it wastes little of it.
      expect(starts.length).toBeGreaterThanOrEqual(Math.min(400, perMinute * 0.7 * 55));
    }
  });

  it('[ROL14] is told when it is there, and at the end of the line when it comes back', () => {
    const devices = ['0-0', '0-1'];
    let state = issue(after(fleet([4]), hear(false, ...devices)), 0);
    expect(told(state, 'candidate')).toEqual(['0-2', '0-3']);
    state = issue(after(state, hear(true, ...devices)), 1);
    const moments = [...state.members.values()].map(({ progress }) =>
      progress.kind === 'issued' ? progress.fetchAtMs : -1,
    );
    expect(moments).toEqual([2_500, 3_750, 0, 1_250].map((ms) => ms + 1_250));
  });

  it('[ROL14] is not told long before its turn, so that a pause finds few on their way', () => {
    const state = issue(fleet([500]), 0);
    const many = told(state, 'candidate').length;
    expect(many).toBeLessThan(250);
    const paused = issue(after(state, report('fetching', '0-0'), order('paused')), 5);
    expect(told(paused, 'candidate')).toEqual(['0-0']);
    expect(told(paused, 'previous')).toHaveLength(many - 1);
  });

  it('[ROL15] leaves of each site as many alone as must stay available', () => {
    const state = issue(fleet([10], { budget: { minAvailable: 3 } }), 0);
    expect(told(state, 'candidate')).toHaveLength(4);
    const next = issue(after(state, report('stopped', '0-0')), 5);
    expect(told(next, 'candidate')).toHaveLength(4);
  });

  it.each([10, 600])(
    '[ROL14] is one line for all rollouts, in which none waits for another to end: %i a minute',
    (perMinute) => {
      const herd = { fetchesPerMinute: perMinute, activationsPerMinute: perMinute };
      const size = 6 * perMinute;
      let states = ['one', 'two', 'three'].map((id) => fleet([size], { id, herd }));
      const moments: { readonly atMs: number; readonly by: string }[] = [];
      for (let nowMs = 0; nowMs < 15 * minuteMs; nowMs += 10_000)
        for (const { plan } of states) {
          states = states.map((state) => {
            if (state.plan.id !== plan.id) return state;
            const issues = planIssues(state, { ...free, line: fleetLine(state, states) }, nowMs);
            for (const { fetchAtMs } of issues) moments.push({ atMs: fetchAtMs, by: plan.id });
            return issues.length === 0
              ? state
              : after(state, { kind: 'issued', atMs: nowMs, issues: [...issues] });
          });
        }
      const inOrder = moments.map(({ atMs }) => atMs).toSorted((a, b) => a - b);
      for (const [i, atMs] of inOrder.entries())
        expect((inOrder[i + perMinute] ?? Number.POSITIVE_INFINITY) - atMs).toBeGreaterThan(
          minuteMs,
        );
      const early = moments.filter(({ atMs }) => atMs < 12 * minuteMs);
      expect(early.length).toBeGreaterThan(7.5 * perMinute);
      for (const { plan } of states)
        expect(early.filter(({ by }) => by === plan.id).length).toBeGreaterThan(2 * perMinute);
    },
  );

  it('[ROL7] turns back everybody at once, whoever is away too, at no herd’s pace', () => {
    const state = issue(fleet([100]), 0);
    const devices = told(state, 'candidate');
    const turned = issue(after(state, hear(false, '0-0'), order('rollback-ordered')), 5);
    expect(told(turned, 'previous')).toEqual(devices);
    expect(planIssues(turned, free, 6)).toEqual([]);
  });

  it('[ROL16] leaves alone whom another has in hand', () => {
    const claimed = { isClaimed: (device: string) => device === '0-1' };
    expect(planIssues(fleet([3]), claimed, 0).map(({ device }) => device)).toEqual(['0-0', '0-2']);
  });
});

describe('what a gate may know', () => {
  it('[GAT4] is of those alone whose update has ended', () => {
    const states = [
      'assigned',
      'fetching',
      'soaking',
      'confirmed',
      'stopped',
      'refused',
      'rolled-back',
    ] as const;
    const told = issue(after(fleet([9]), hear(false, '0-8')), 0);
    const spread = after(
      told,
      ...states.map(
        (state, i): RolloutEvent => ({
          kind: 'reported',
          atMs: 2,
          reports: [{ device: `0-${i}`, op: ++op, state }],
        }),
      ),
    );
    const confirmed = after(spread, {
      kind: 'heard',
      atMs: 3,
      devices: [
        { device: '0-3', online: true, seenMs: 3, running: sampleBundleRef().bundle.digest },
      ],
    });
    const { executions, refused, tally: counts } = observe(confirmed);
    expect(executions.map(({ device, failed }) => [device, failed])).toEqual([
      ['0-3', false],
      ['0-6', true],
    ]);
    expect(refused).toBe(1);
    expect(counts).toEqual({
      members: 9,
      waiting: 2,
      underWay: 3,
      succeeded: 1,
      failed: 1,
      refused: 1,
      unreachable: 1,
      exempt: 0,
    });
  });
});

describe('time', () => {
  const kinds = (state: RolloutState, nowMs: number): string[] =>
    dueEvents(state, nowMs).map(({ kind }) => kind);

  it('[ROL17] ends every wait: of a rollout', () => {
    const { waveMs, approvalMs, pauseMs } = samplePlan().timeouts;
    expect(kinds(fleet([3]), waveMs - 1)).toEqual([]);
    expect(kinds(fleet([3]), waveMs)).toEqual(['timed-out']);
    expect(kinds(fleet([3], { approvals: 'start' }), approvalMs)).toEqual(['timed-out']);
    expect(kinds(after(fleet([3]), order('paused')), 3 + pauseMs)).toEqual(['timed-out']);
  });

  it('[ROL17] and of each device, from whichever state it told last', () => {
    const state = issue(fleet([1]), 0);
    const states = [
      'assigned',
      'fetching',
      'verified',
      'staged',
      'shadowing',
      'activating',
      'soaking',
      'confirmed',
    ] as const;
    const reached = [
      state,
      ...states.map((each) =>
        after(state, {
          kind: 'reported',
          atMs: 2,
          reports: [{ device: '0-0', op: ++op, state: each }],
        }),
      ),
      issue(after(state, order('rollback-ordered')), 5),
    ];
    for (const each of reached) {
      const member = each.members.get('0-0');
      if (member === undefined) throw new Error('no member');
      const deadlineMs = deadlineOf(member, each.plan);
      expect(Number.isFinite(deadlineMs)).toBe(true);
      expect(dueEvents(each, deadlineMs - 1)).toEqual([]);
      expect(dueEvents(each, deadlineMs)).toEqual([
        { kind: 'lapsed', atMs: deadlineMs, devices: ['0-0'] },
      ]);
    }
  });

  it('[ROL18] there is always a reason, of a rollout and of each device', () => {
    const state = issue(after(fleet([3, 1]), hear(false, '0-1')), 0);
    expect(explainRollout(state, 1)).toBe(
      'wave 0: of 3 devices 0 succeeded, 0 failed, 0 under way, 2 wait for their turn, 1 unreachable; ends by itself in 168 h',
    );
    expect(explainDevice(state, '0-0', 60_000)).toBe(
      'was told 60 s ago and has not answered; given up in 9 min',
    );
    expect(explainDevice(state, '0-1', 1)).toBe('waits to be heard: it is offline');
    expect(explainDevice(state, '1-0', 1)).toBe('waits for wave 1; the rollout is running');
    expect(explainDevice(after(state, order('paused')), '0-0', 4)).toBe(
      'waits for the pause to end: so',
    );
    expect(explainDevice(state, 'another', 1)).toBeUndefined();
    for (const [device] of state.members)
      for (const each of [
        state,
        after(state, report('fetching', device)),
        after(state, order('rollback-ordered')),
      ])
        expect(explainDevice(each, device, 9)).toMatch(/\w/);
  });
});
