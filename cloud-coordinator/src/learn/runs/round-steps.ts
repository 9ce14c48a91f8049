// What each event of a round makes of a run: pure, and called by fold-run.ts for the phase that it happens in.

import { spentOf } from '../privacy/index.ts';
import type { RunEventOf, WorkKind } from './run-event.ts';
import type { RunPlan } from './run-plan.ts';
import {
  answered,
  doneAs,
  goalOf,
  isActive,
  type Member,
  type Phase,
  type Progress,
  type RoundPhase,
  type RoundSummary,
  type RunState,
} from './run-state.ts';

/** So many times a round's buffer is added to under a name of its own; the numbers of attempts are bounded. */
const refillsMax = 500;

export function selecting(
  { timeouts }: RunPlan,
  work: WorkKind,
  round: number,
  attempt: number,
  sinceMs: number,
): RoundPhase {
  const limitMs = work === 'evaluate' ? timeouts.gatherMs : timeouts.selectMs;
  return { kind: 'selecting', work, round, attempt, sinceMs, untilMs: sinceMs + limitMs };
}

/** What devices are at. */
const askingAs = { train: 'training', evaluate: 'evaluating', query: 'querying' } as const;

const isAsking = ({ kind }: Phase): boolean =>
  kind === 'training' || kind === 'evaluating' || kind === 'querying';

export function choose(state: RunState, phase: RoundPhase, event: RunEventOf<'chosen'>): RunState {
  const { work, round, attempt, atMs, untilMs } = event;
  if (phase.round !== round || phase.attempt !== attempt || phase.work !== work) return state;
  const begins = phase.kind === 'selecting';
  if (!begins && !isAsking(phase)) return state;
  // An asynchronous run begins once; whom a round before has asked is still at work.
  const members = new Map(begins && !state.asynchronous ? [] : state.members);
  const { parameters, control } = state.model;
  const given = { parameters, ...(control === undefined ? {} : { control }) };
  let { nextTellMs } = state;
  for (const { device, cohort, tellAtMs } of event.members) {
    members.set(device, {
      work,
      round,
      attempt,
      cohort,
      tellAtMs,
      untilMs,
      given,
      progress: { kind: 'asked' },
    });
    nextTellMs = Math.max(nextTellMs, tellAtMs);
  }
  return {
    ...state,
    members,
    nextTellMs,
    phase: begins
      ? {
          kind: askingAs[work],
          work,
          round,
          attempt,
          sinceMs: atMs,
          untilMs,
        }
      : phase,
  };
}

type Reply = RunEventOf<'replied'>['replies'][number];

/** Named by (round, client, attempt): what comes twice changes nothing. [RND5] */
export function reply(
  state: RunState,
  { device, op, round, attempt, outcome }: Reply,
  atMs: number,
): RunState {
  const { phase } = state;
  const member = state.members.get(device);
  if (member === undefined || member.progress.kind !== 'asked') return state;
  if (member.round !== round || member.attempt !== attempt) return state;
  if (!isActive(phase) || !isAsking(phase)) return state;
  const isDone = outcome.kind === doneAs(state, member.work);
  if (!isDone && ['trained', 'keyed', 'evaluated', 'queried'].includes(outcome.kind)) return state;
  const isSurplus =
    isDone && !state.asynchronous && answered(state, member.work) >= goalOf(state, member.work);
  const progress: Progress = isSurplus ? { kind: 'surplus', op } : { ...outcome, op };
  const hasTrained = isDone && member.work === 'train';
  return {
    ...state,
    members: new Map(state.members).set(device, { ...member, progress }),
    // Who could not has done nothing that it should rest from.
    askedMs: hasTrained ? new Map(state.askedMs).set(device, atMs) : state.askedMs,
    quarantined: state.quarantined + (outcome.kind === 'quarantined' ? 1 : 0),
  };
}

export function close(state: RunState, phase: RoundPhase, event: RunEventOf<'closed'>): RunState {
  const { atMs, reason } = event;
  const { plan } = state;
  const { work, round, attempt } = phase;
  const aggregating: Phase = {
    kind: 'aggregating',
    work,
    round,
    attempt,
    sinceMs: atMs,
    untilMs: atMs + plan.timeouts.finishMs,
  };
  switch (phase.kind) {
    case 'evaluating':
      return { ...state, phase: aggregating };
    case 'querying':
      return answered(state, 'query') < plan.clients.min
        ? retry(state, phase, reason, atMs)
        : { ...state, phase: aggregating };
    case 'training': {
      if (answered(state, 'train') < plan.clients.min) {
        const tried = retry(state, phase, reason, atMs);
        // What came to an asynchronous run is not lost for being too little.
        return state.asynchronous && isActive(tried.phase)
          ? { ...tried, members: trainedOf(state), askedMs: state.askedMs }
          : tried;
      }
      // An asynchronous run is closed with enough only where its strategy refuses them.
      return state.asynchronous
        ? retry(state, phase, reason, atMs)
        : { ...state, phase: aggregating };
    }
    case 'selecting':
    case 'aggregating':
      // Nobody to evaluate with, or it cannot be put together: the run goes on without.
      return work === 'evaluate'
        ? next({ ...state, setback: reason }, atMs)
        : retry(state, phase, reason, atMs);
  }
}

function retry(state: RunState, phase: RoundPhase, reason: string, atMs: number): RunState {
  const { plan, attempts } = state;
  const { work, round, attempt } = phase;
  if (attempts >= plan.attemptsMax)
    return end(state, {
      kind: 'failed',
      sinceMs: atMs,
      reason: `round ${round}, attempt ${attempt} of ${plan.attemptsMax}: ${reason}`,
    });
  const askedMs = new Map(state.askedMs);
  // Nothing came of their work: the round is still before them. [RND4]
  for (const device of state.members.keys()) askedMs.delete(device);
  return {
    ...state,
    members: new Map(),
    askedMs,
    attempts: attempts + 1,
    setback: reason,
    phase: selecting(plan, work, round, attempt + 1, atMs),
  };
}

/** Each stage has a time of its own, and beyond it the coordinator its own. */
export function mask(state: RunState, phase: RoundPhase, event: RunEventOf<'masked'>): RunState {
  const { round, attempt, record } = event;
  if (phase.kind !== 'aggregating' || phase.work === 'evaluate') return state;
  if (phase.round !== round || phase.attempt !== attempt) return state;
  const untilMs = record.untilMs + state.plan.timeouts.finishMs;
  const { masked } = phase;
  const heard =
    record.stage === 'unmask' && masked?.stage === 'unmask'
      ? masked.waiting.filter((device) => !record.waiting.includes(device))
      : [];
  return {
    ...state,
    opened: heard.length === 0 ? state.opened : new Set([...state.opened, ...heard]),
    phase: { ...phase, untilMs, masked: record },
  };
}

export function aggregate(
  state: RunState,
  phase: RoundPhase,
  event: RunEventOf<'aggregated'>,
): RunState {
  const isDue = state.asynchronous ? phase.kind === 'training' : phase.kind === 'aggregating';
  if (!isDue || phase.work !== 'train' || phase.round !== event.round) return state;
  const { atMs, model, changed, contributions, deltaNorm, stepNorm, metrics } = event;
  const taken = contributions.map(({ device }) => device);
  const members = state.asynchronous ? without(state.members, taken) : new Map<string, Member>();
  // A buffer that is not full yet: the same round goes on.
  if (!changed) {
    // It has more time where more has come: at its deadline it would begin anew.
    const { untilMs } = phase;
    const isLate = atMs >= untilMs;
    const attempt = Math.min(phase.attempt + 1, refillsMax);
    return {
      ...state,
      model,
      members,
      phase: {
        ...phase,
        // Who is asked again is asked by another name, or it would be told nothing. [RND15]
        attempt: Math.max(phase.attempt, attempt),
        untilMs:
          isLate && contributions.some(({ used }) => used)
            ? atMs + state.plan.timeouts.roundMs
            : untilMs,
      },
    };
  }
  const round = state.round + 1;
  const summary: RoundSummary = {
    round,
    atMs,
    attempts: state.attempts,
    clients: contributions.length,
    used: contributions.filter(({ used }) => used).length,
    quarantined: state.quarantined,
    deltaNorm,
    stepNorm,
    metrics,
    ...(state.privacy && { epsilon: spentOf(state.privacy.ledger).epsilon }),
    ...(event.noiseMultiplier === undefined ? {} : { noiseMultiplier: event.noiseMultiplier }),
  };
  const { clip } = event;
  const advanced: RunState = {
    ...state,
    privacy:
      state.privacy === undefined || clip === undefined
        ? state.privacy
        : { ...state.privacy, clip },
    model,
    round,
    members,
    attempts: 1,
    quarantined: 0,
    opened: new Set(),
    setback: undefined,
    history: [...state.history, summary],
  };
  const { plan } = state;
  const isLast = round >= plan.rounds;
  if (state.asynchronous && !isLast)
    return {
      ...advanced,
      phase: { ...phase, round, sinceMs: atMs, untilMs: atMs + plan.timeouts.roundMs },
    };
  const { evaluate: wanted } = plan;
  if (wanted === undefined || !(isLast || round % wanted.everyRounds === 0))
    return next(advanced, atMs);
  const alone: Phase = {
    kind: 'aggregating',
    work: 'evaluate',
    round,
    attempt: 1,
    sinceMs: atMs,
    untilMs: atMs + plan.timeouts.finishMs,
  };
  return {
    ...advanced,
    members: new Map(),
    phase: wanted.clients === 0 ? alone : selecting(plan, 'evaluate', round, 1, atMs),
  };
}

/** What was learned before is paid for, and is what the run comes to. */
export function spend(state: RunState, { atMs, reason }: RunEventOf<'spent'>): RunState {
  return state.round === 0
    ? end(state, { kind: 'failed', sinceMs: atMs, reason })
    : { ...finish(state, atMs), setback: reason };
}

export function evaluate(
  state: RunState,
  phase: RoundPhase,
  event: RunEventOf<'evaluated'>,
): RunState {
  if (phase.kind !== 'aggregating' || phase.work !== 'evaluate') return state;
  const { round, federated, central, atMs } = event;
  const history = state.history.map((summary) =>
    summary.round === round
      ? {
          ...summary,
          ...(federated === undefined ? {} : { federated }),
          ...(central === undefined ? {} : { central }),
        }
      : summary,
  );
  return next({ ...state, history }, atMs);
}

/** All that there was to be asked. */
export function tally(state: RunState, phase: RoundPhase, event: RunEventOf<'tallied'>): RunState {
  if (phase.kind !== 'aggregating' || phase.work !== 'query') return state;
  if (phase.attempt !== event.attempt) return state;
  return finish({ ...state, round: state.round + 1, tally: event.tally }, event.atMs);
}

/** The next round, or the end. */
function next(state: RunState, atMs: number): RunState {
  const { plan, round } = state;
  if (round >= plan.rounds) return finish(state, atMs);
  return {
    ...state,
    members: new Map(),
    phase: selecting(plan, 'train', round, 1, atMs),
  };
}

const finish = (state: RunState, atMs: number): RunState =>
  end(
    state,
    state.plan.candidate === undefined
      ? { kind: 'completed', sinceMs: atMs }
      : { kind: 'publishing', sinceMs: atMs, untilMs: atMs + state.plan.timeouts.finishMs },
  );

export const end = (state: RunState, phase: Phase): RunState => ({
  ...state,
  members: new Map(),
  phase,
});

const trainedOf = ({ members }: RunState): ReadonlyMap<string, Member> =>
  new Map([...members].filter(([, { progress }]) => progress.kind === 'trained'));

export function without(
  members: ReadonlyMap<string, Member>,
  devices: readonly string[],
): ReadonlyMap<string, Member> {
  const left = new Map(members);
  for (const device of devices) left.delete(device);
  return left;
}
