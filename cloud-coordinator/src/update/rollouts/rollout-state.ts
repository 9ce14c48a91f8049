// A rollout as the fold of its log. Pure: the same events give the same state on any machine and in any year.
//
//   created ─▶ awaiting-approval ⇄ running(wave) ─▶ … ─▶ completed
//                     │   ▲           │  ▲                   │
//                     ▼   └─ resumed ─┤  │ resumed           │ a fault found late
//                   paused ◀──────────┴──┘                   ▼
//                     └──▶ aborted · rolling-back ◀──────────┘
//                                        └──▶ rolled-back, once nobody who was heard runs the candidate, or by its time,
//                                             with those who are owed
//
// Each phase that is not final ends by a time of the plan's, if by nothing else.

import { assert } from '@skerry/shared';
import { hear, issue, join, lapse, type Member, report, revert, withdraw } from './member.ts';
import type { BundleRef, RolloutEvent, Verdict, Wave } from './rollout-event.ts';
import type { RolloutPlan } from './rollout-plan.ts';

export type Phase =
  | { readonly kind: 'awaiting-approval'; readonly wave: number; readonly sinceMs: number }
  | { readonly kind: 'running'; readonly wave: number; readonly sinceMs: number }
  | {
      readonly kind: 'paused';
      readonly wave: number;
      readonly sinceMs: number;
      readonly reason: string;
      /** To what a resume goes back. */
      readonly from: 'awaiting-approval' | 'running';
    }
  | { readonly kind: 'completed'; readonly wave: number; readonly sinceMs: number }
  | {
      readonly kind: 'aborted';
      readonly wave: number;
      readonly sinceMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'rolling-back';
      readonly wave: number;
      readonly sinceMs: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'rolled-back';
      readonly wave: number;
      /** When it began, so that the time to safety of who comes later counts from there. */
      readonly sinceMs: number;
      readonly doneMs: number;
      readonly reason: string;
    };

export interface RolloutState {
  readonly plan: RolloutPlan;
  readonly candidate: BundleRef;
  readonly waves: readonly Wave[];
  readonly createdMs: number;
  readonly phase: Phase;
  readonly members: ReadonlyMap<string, Member>;
  /** Up to when the herd's limits are given away. */
  readonly nextFetchMs: number;
  readonly nextActivateMs: number;
  /** The gate's latest word that was not `hold`. */
  readonly verdict: (Verdict & { readonly wave: number; readonly atMs: number }) | undefined;
}

export type Effect =
  /** Nobody is to run it, whatever rollout or assignment says so. */
  | { readonly kind: 'quarantine'; readonly bundle: string; readonly reason: string }
  | { readonly kind: 'tell'; readonly message: string };

export interface Transition {
  readonly state: RolloutState;
  readonly effects: readonly Effect[];
}

/** The first event of every log. */
export function begin(event: Extract<RolloutEvent, { kind: 'created' }>): RolloutState {
  const { plan, candidate, waves, atMs } = event;
  return {
    plan,
    candidate,
    waves,
    createdMs: atMs,
    phase: phaseOf(plan, waves, 0, atMs),
    members: new Map(),
    nextFetchMs: atMs,
    nextActivateMs: atMs,
    verdict: undefined,
  };
}

/** `undefined` of no events. */
export function replay(events: readonly RolloutEvent[]): RolloutState | undefined {
  const [first, ...rest] = events;
  if (first === undefined) return undefined;
  assert(first.kind === 'created', 'a rollout’s log begins with its creation');
  return rest.reduce((state, event) => transition(state, event).state, begin(first));
}

/** An event that a phase does not know changes nothing. */
export function transition(state: RolloutState, event: RolloutEvent): Transition {
  switch (event.kind) {
    case 'created':
      return unchanged(state);
    case 'joined':
    case 'issued':
    case 'reported':
    case 'heard':
    case 'lapsed':
      return settle(changeMembers(state, event), event.atMs);
    case 'judged':
      return judge(
        { ...state, verdict: { ...event.verdict, wave: event.wave, atMs: event.atMs } },
        event,
      );
    case 'approved':
      return state.phase.kind === 'awaiting-approval'
        ? move(state, { kind: 'running', wave: state.phase.wave, sinceMs: event.atMs })
        : unchanged(state);
    case 'paused':
      return pause(state, event.reason, event.atMs);
    case 'resumed':
      return state.phase.kind === 'paused'
        ? move(state, { kind: state.phase.from, wave: state.phase.wave, sinceMs: event.atMs })
        : unchanged(state);
    case 'aborted':
      return abort(state, event.reason, event.atMs);
    case 'rollback-ordered':
      return rollBack(state, event.reason, event.atMs);
    case 'timed-out':
      return timeOut(state, event.atMs);
  }
}

const unchanged = (state: RolloutState): Transition => ({ state, effects: [] });
const move = (state: RolloutState, phase: Phase, ...effects: Effect[]): Transition => ({
  state: { ...state, phase },
  effects,
});

function phaseOf(plan: RolloutPlan, waves: readonly Wave[], wave: number, atMs: number): Phase {
  const asked =
    plan.approvals === 'each-wave' ||
    (plan.approvals === 'start' && wave === 0) ||
    waves[wave]?.approval === true;
  return { kind: asked ? 'awaiting-approval' : 'running', wave, sinceMs: atMs };
}

function changeMembers(
  state: RolloutState,
  event: Extract<RolloutEvent, { kind: 'joined' | 'issued' | 'reported' | 'heard' | 'lapsed' }>,
): RolloutState {
  const { atMs } = event;
  const candidate = state.candidate.bundle.digest;
  const members = new Map(state.members);
  const change = (device: string, next: (member: Member) => Member): void => {
    const member = members.get(device);
    if (member !== undefined) members.set(device, next(member));
  };
  let { nextFetchMs, nextActivateMs } = state;
  switch (event.kind) {
    case 'joined':
      for (const each of event.members)
        if (!members.has(each.device)) members.set(each.device, join(each, candidate, atMs));
      break;
    case 'issued':
      for (const each of event.issues) {
        change(each.device, (member) => issue(member, each, candidate, atMs));
        if (each.goal === 'previous') continue;
        nextFetchMs = Math.max(nextFetchMs, each.fetchAtMs);
        nextActivateMs = Math.max(nextActivateMs, each.activateAtMs);
      }
      break;
    case 'reported':
      for (const each of event.reports)
        change(each.device, (member) => report(member, each, candidate, atMs));
      break;
    case 'heard':
      for (const each of event.devices)
        change(each.device, (member) => hear(member, each, candidate, atMs));
      break;
    case 'lapsed':
      for (const device of event.devices) change(device, (member) => lapse(member, atMs));
      break;
  }
  return { ...state, members, nextFetchMs, nextActivateMs };
}

/** A rollback is done when nobody who can be heard may still run the candidate; who comes later is turned then. */
function settle(state: RolloutState, atMs: number): Transition {
  const { phase } = state;
  if (phase.kind !== 'rolling-back') return unchanged(state);
  for (const { progress, online } of state.members.values())
    if (progress.kind === 'reverting' && online) return unchanged(state);
  return rolledBack(state, phase, 'rolled back; nobody who is heard runs the candidate', atMs);
}

const rolledBack = (
  state: RolloutState,
  phase: Extract<Phase, { kind: 'rolling-back' }>,
  said: string,
  doneMs: number,
): Transition =>
  move(
    state,
    { ...phase, kind: 'rolled-back', doneMs },
    { kind: 'tell', message: `${state.plan.id}: ${said}` },
  );

function judge(
  state: RolloutState,
  { atMs, wave, verdict }: Extract<RolloutEvent, { kind: 'judged' }>,
): Transition {
  const { phase, plan, waves } = state;
  const reason = verdict.reasons.join('; ');
  if (phase.wave !== wave) return unchanged(state);
  if (phase.kind === 'completed')
    return verdict.verdict === 'rollback' ? rollBack(state, reason, atMs) : unchanged(state);
  if (phase.kind !== 'running') return unchanged(state);
  switch (verdict.verdict) {
    case 'hold':
      return unchanged(state);
    case 'pause':
      return pause(state, reason, atMs);
    case 'rollback':
      return rollBack(state, reason, atMs);
    case 'promote':
      return wave + 1 < waves.length
        ? move(state, phaseOf(plan, waves, wave + 1, atMs))
        : move(
            state,
            { kind: 'completed', wave, sinceMs: atMs },
            {
              kind: 'tell',
              message: `${plan.id}: completed`,
            },
          );
  }
}

function pause(state: RolloutState, reason: string, sinceMs: number): Transition {
  const { phase, plan } = state;
  if (phase.kind !== 'running' && phase.kind !== 'awaiting-approval') return unchanged(state);
  return move(
    { ...state, members: mapMembers(state.members, withdraw) },
    { kind: 'paused', wave: phase.wave, sinceMs, reason, from: phase.kind },
    { kind: 'tell', message: `${plan.id}: paused: ${reason}` },
  );
}

function abort(state: RolloutState, reason: string, sinceMs: number): Transition {
  const { phase } = state;
  if (!['awaiting-approval', 'running', 'paused'].includes(phase.kind)) return unchanged(state);
  const bundle = state.candidate.bundle.digest;
  const members = mapMembers(state.members, (member) =>
    member.progress.kind === 'succeeded' ? member : revert(member, bundle, sinceMs),
  );
  return move({ ...state, members }, { kind: 'aborted', wave: phase.wave, sinceMs, reason });
}

function rollBack(state: RolloutState, reason: string, sinceMs: number): Transition {
  const { phase, candidate, plan } = state;
  if (phase.kind === 'rolling-back' || phase.kind === 'rolled-back') return unchanged(state);
  const bundle = candidate.bundle.digest;
  const members = mapMembers(state.members, (member) => revert(member, bundle, sinceMs));
  const turned = move(
    { ...state, members },
    { kind: 'rolling-back', wave: phase.wave, sinceMs, reason },
    { kind: 'quarantine', bundle, reason },
    { kind: 'tell', message: `${plan.id}: rolling back: ${reason}` },
  );
  const settled = settle(turned.state, sinceMs);
  return { state: settled.state, effects: [...turned.effects, ...settled.effects] };
}

function timeOut(state: RolloutState, atMs: number): Transition {
  const { phase, plan } = state;
  switch (phase.kind) {
    case 'running':
      return pause(state, `wave ${phase.wave} has no verdict after its time`, atMs);
    case 'awaiting-approval':
      return pause(state, `nobody has approved wave ${phase.wave} in time`, atMs);
    case 'paused':
      return plan.onPauseEnd === 'rollback'
        ? rollBack(state, `nobody has ended the pause in time (${phase.reason})`, atMs)
        : abort(state, `nobody has ended the pause in time (${phase.reason})`, atMs);
    case 'rolling-back': {
      const owed = [...state.members.values()].filter((m) => m.progress.kind === 'reverting');
      return rolledBack(
        state,
        phase,
        `rolled back as far as it goes; ${owed.length} devices are owed`,
        atMs,
      );
    }
    default:
      return unchanged(state);
  }
}

function mapMembers(
  members: ReadonlyMap<string, Member>,
  change: (member: Member) => Member,
): ReadonlyMap<string, Member> {
  return new Map([...members].map(([device, member]) => [device, change(member)]));
}

/** The wave by whose rules a member is treated: its own, or the present one, where its own was over when it came. */
export function isOpen({ phase }: RolloutState, { wave }: Member): boolean {
  return (phase.kind === 'running' && wave <= phase.wave) || phase.kind === 'completed';
}
