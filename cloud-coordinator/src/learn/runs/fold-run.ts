// A learning run as the fold of its log. Pure: the same events give the same state on any machine and in any year.

import { assert } from '@skerry/shared';
import { foldLedger, initialClip, openLedger } from '../privacy/index.ts';
import {
  aggregate,
  choose,
  close,
  end,
  evaluate,
  mask,
  reply,
  selecting,
  spend,
  tally,
  without,
} from './round-steps.ts';
import type { RunEvent, RunEventOf } from './run-event.ts';
import {
  type ActivePhase,
  isActive,
  isOfRound,
  type Phase,
  type PrivacyState,
  type RoundPhase,
  type RunState,
} from './run-state.ts';
import { mechanismFor } from './secure-plan-for.ts';

/** The first event of every log. */
export function begin(event: RunEventOf<'created'>): RunState {
  const { plan, atMs, by, base, learn, query, asynchronous, model } = event;
  return {
    plan,
    by,
    createdMs: atMs,
    base,
    learn,
    query,
    asynchronous,
    model,
    round: 0,
    phase: selecting(plan, query === undefined ? 'train' : 'query', 0, 1, atMs),
    members: new Map(),
    askedMs: new Map(),
    nextTellMs: 0,
    quarantined: 0,
    opened: new Set(),
    attempts: 1,
    history: [],
    setback: undefined,
    candidate: undefined,
    tally: undefined,
    privacy: privacyOf(event),
  };
}

function privacyOf({ plan, learn }: RunEventOf<'created'>): PrivacyState | undefined {
  const { privacy } = plan;
  if (privacy === undefined) return undefined;
  const mechanism = mechanismFor(plan, learn);
  assert(mechanism.ok && mechanism.value !== undefined, 'a private run that began has a mechanism');
  const { central, distributed, budget } = privacy;
  const clip = central === undefined ? distributed?.clip : initialClip(central);
  return { ledger: openLedger(budget), clip: clip ?? 1, mechanism: mechanism.value };
}

/** `undefined` of no events. */
export function replay(events: readonly RunEvent[]): RunState | undefined {
  const [first, ...rest] = events;
  if (first === undefined) return undefined;
  assert(first.kind === 'created', 'a run’s log begins with its creation');
  return rest.reduce(transition, begin(first));
}

/** An event that a phase does not know changes nothing. */
export function transition(state: RunState, event: RunEvent): RunState {
  const { phase } = state;
  if (!isActive(phase)) return state;
  if (event.kind === 'stopped' || event.kind === 'failed')
    return end(state, {
      kind: event.kind,
      sinceMs: event.atMs,
      reason: event.reason,
      ...(event.kind === 'stopped' ? { by: event.by } : {}),
    });
  return isOfRound(phase) ? inRound(state, phase, event) : afterRounds(state, phase, event);
}

function inRound(state: RunState, phase: RoundPhase, event: RunEvent): RunState {
  switch (event.kind) {
    case 'chosen':
      return choose(state, phase, event);
    case 'replied':
      return event.replies.reduce((held, each) => reply(held, each, event.atMs), state);
    case 'lapsed':
      return { ...state, members: without(state.members, event.devices) };
    case 'closed':
      return close(state, phase, event);
    case 'masked':
      return mask(state, phase, event);
    case 'aggregated':
      return aggregate(state, phase, event);
    case 'evaluated':
      return evaluate(state, phase, event);
    case 'tallied':
      return tally(state, phase, event);
    case 'privacy-committed':
    case 'privacy-released': {
      const { privacy } = state;
      return privacy === undefined
        ? state
        : { ...state, privacy: { ...privacy, ledger: foldLedger(privacy.ledger, event) } };
    }
    case 'spent':
      return spend(state, event);
    default:
      return state;
  }
}

function afterRounds(
  state: RunState,
  phase: Exclude<ActivePhase, RoundPhase>,
  event: RunEvent,
): RunState {
  const completed = (atMs: number): Phase => ({ kind: 'completed', sinceMs: atMs });
  switch (event.kind) {
    case 'published': {
      if (phase.kind !== 'publishing') return state;
      const { atMs, version, manifest, before, after } = event;
      const { timeouts, candidate } = state.plan;
      const published = { ...state, candidate: { version, manifest, before, after } };
      return candidate?.rollOut === undefined
        ? end(published, completed(atMs))
        : {
            ...published,
            phase: { kind: 'releasing', sinceMs: atMs, untilMs: atMs + timeouts.signMs },
          };
    }
    case 'rolled-out': {
      const { candidate } = state;
      if (phase.kind !== 'releasing' || candidate === undefined) return state;
      const { atMs, rollout } = event;
      return end({ ...state, candidate: { ...candidate, rollout } }, completed(atMs));
    }
    case 'closed':
      // The version is there all the same, and somebody may still roll it out.
      return phase.kind === 'releasing'
        ? end({ ...state, setback: event.reason }, completed(event.atMs))
        : end(state, { kind: 'failed', sinceMs: event.atMs, reason: event.reason });
    default:
      return state;
  }
}
