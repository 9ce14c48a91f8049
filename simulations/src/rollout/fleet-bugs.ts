// Bugs that the simulated fleet must catch, one at least for each thing that must never happen to a rollout: each is one
// that a system in the field has, or had.

import {
  type Decisions,
  decisions,
  evaluateGate,
  observe,
  type RolloutState,
} from '@skerry/cloud-coordinator/rollouts';

export interface FleetBug {
  /** The oracle's rule that finds it. */
  readonly rule: 'FLT1' | 'FLT2' | 'FLT3' | 'FLT4' | 'FLT5';
  readonly decide: Decisions;
}

const changeMembers = (
  state: RolloutState,
  change: (member: Member, before: Member | undefined) => Member,
  before: RolloutState,
): RolloutState => ({
  ...state,
  members: new Map(
    [...state.members].map(([device, each]) => [device, change(each, before.members.get(device))]),
  ),
});
type Member = RolloutState['members'] extends ReadonlyMap<string, infer Each> ? Each : never;

/** Nothing bad was heard of it, so it must be well. */
const silenceIsSuccess: FleetBug = {
  rule: 'FLT1',
  decide: {
    ...decisions,
    transition(state, event) {
      const next = decisions.transition(state, event);
      if (event.kind !== 'lapsed') return next;
      const well = (member: Member, before: Member | undefined): Member =>
        before?.progress.kind === 'under-way' && member.progress.kind === 'failed'
          ? { ...member, progress: { kind: 'succeeded', atMs: event.atMs, already: false } }
          : member;
      return { ...next, state: changeMembers(next.state, well, state) };
    },
  },
};

/** Shares of all members, as some servers count: who is away is not among the bad. */
const offlineInDenominator: FleetBug = {
  rule: 'FLT2',
  decide: {
    ...decisions,
    due(state, nowMs, isJudged) {
      const { phase, plan } = state;
      if (phase.kind !== 'running') return decisions.due(state, nowMs, isJudged);
      const seen = observe(state);
      const away = [...state.members]
        .filter(([, { wave, progress }]) => wave <= phase.wave && progress.kind === 'waiting')
        .map(([device]) => ({ device, failed: false, health: undefined, baseline: undefined }));
      const executions = [...seen.executions, ...away];
      const verdict = evaluateGate(plan.gate, { ...seen, executions });
      if (verdict.verdict === 'hold') return decisions.due(state, nowMs, true);
      return [{ kind: 'judged', atMs: nowMs, wave: phase.wave, verdict }];
    },
  },
};

/** Whoever joins late is updated at once, as part of the first phase. */
const lateJoinerBypasses: FleetBug = {
  rule: 'FLT3',
  decide: {
    ...decisions,
    plan(state, limits, nowMs) {
      const late = [...state.members]
        .filter(
          ([device, { progress }]) => device.startsWith('late-') && progress.kind === 'waiting',
        )
        .filter(([, { goal, online }]) => goal === undefined && online)
        .map(([device]) => ({
          device,
          goal: 'candidate' as const,
          fetchAtMs: nowMs,
          activateAtMs: nowMs,
        }));
      const known = new Set(late.map(({ device }) => device));
      const rest = decisions.plan(state, limits, nowMs).filter(({ device }) => !known.has(device));
      return state.phase.kind === 'running' ? [...late, ...rest] : rest;
    },
  },
};

/** Cancels what is on its way, and leaves what has arrived. */
const rollbackSkipsConfirmed: FleetBug = {
  rule: 'FLT4',
  decide: {
    ...decisions,
    transition(state, event) {
      const next = decisions.transition(state, event);
      if (next.state.phase.kind !== 'rolling-back' || state.phase.kind === 'rolling-back')
        return next;
      const kept = (member: Member, before: Member | undefined): Member =>
        before?.progress.kind === 'succeeded' ? before : member;
      return { effects: [], state: changeMembers(next.state, kept, state) };
    },
  },
};

/** Tells everybody at once. */
const noHerdLimit: FleetBug = {
  rule: 'FLT5',
  decide: {
    ...decisions,
    plan: (state, limits, nowMs) =>
      decisions
        .plan({ ...state, plan: { ...state.plan, herd: unlimited } }, limits, nowMs)
        .map((issue) => ({ ...issue, fetchAtMs: nowMs })),
  },
};
const unlimited = { fetchesPerMinute: 1_000_000, activationsPerMinute: 1_000_000 };

export const fleetBugs = {
  silenceIsSuccess,
  offlineInDenominator,
  lateJoinerBypasses,
  rollbackSkipsConfirmed,
  noHerdLimit,
} satisfies Record<string, FleetBug>;
export type FleetBugName = keyof typeof fleetBugs;
