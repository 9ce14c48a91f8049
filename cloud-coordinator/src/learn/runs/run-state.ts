// A learning run as the fold of its log. Pure: the same events give the same state on any machine and in any year.
//
//   created ─▶ selecting ─▶ training ─▶ aggregating ─▶ [selecting ─▶ evaluating ─▶ aggregating] ─▶ selecting … ─▶ completed
//                 ▲  │         │             │
//                 │  └─────────┴─────────────┘ too few, too late, not to be added: the next attempt, attemptsMax of them
//                 └──────────────────┘
//   after the last round: publishing ─▶ releasing ─▶ completed, where the plan wants a version of it, and it rolled out
//   and from each of them: stopped, by an operator · failed, with the reason
//
// An asynchronous run stays in `training`: who has answered makes room for another, and each full buffer is the next model.
// Each phase that is not final ends by a time of its own, if by nothing else.

import { assert } from '@skerry/shared';
import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { LearnPlan } from '@skerry/sync-protocol/learn';
import type { MaskedStage } from '../masking/index.ts';
import { foldLedger, initialClip, type Ledger, openLedger, spentOf } from '../privacy/index.ts';
import type {
  Evaluation,
  Outcome,
  RoundModel,
  RunEvent,
  RunEventOf,
  WorkKind,
} from './run-event.ts';
import type { RunPlan } from './run-plan.ts';

interface Wait {
  readonly sinceMs: number;
  readonly untilMs: number;
}
/** What is under way. */
interface Step extends Wait {
  readonly work: WorkKind;
  readonly round: number;
  readonly attempt: number;
}
export type Phase =
  /** Waits for devices that may be asked. */
  | (Step & { readonly kind: 'selecting' })
  /** Waits for their replies. */
  | (Step & { readonly kind: 'training' })
  | (Step & { readonly kind: 'evaluating' })
  /** Waits for this coordinator itself. */
  | (Step & {
      readonly kind: 'aggregating';
      /** Where a masked round stands: devices answer, and the sum is not there yet. */
      readonly masked?: MaskedStage;
    })
  /** The candidate is being made. */
  | (Wait & { readonly kind: 'publishing' })
  /** It waits for signatures, and then is rolled out. */
  | (Wait & { readonly kind: 'releasing' })
  | { readonly kind: 'completed'; readonly sinceMs: number }
  | {
      readonly kind: 'stopped' | 'failed';
      readonly sinceMs: number;
      readonly reason: string;
      readonly by?: string;
    };
/** So many times a round's buffer is added to under a name of its own; the numbers of attempts are bounded. */
const refillsMax = 500;

export type ActivePhase = Extract<Phase, Wait>;
/** Of a round. */
export type RoundPhase = Extract<Phase, Step>;

export type Progress =
  | { readonly kind: 'asked' }
  /** What came of it, and by which op. */
  | (Outcome & { readonly op: number })
  /** Enough had answered before it. */
  | { readonly kind: 'surplus'; readonly op: number };

/** A device that was asked. */
export interface Member {
  readonly work: WorkKind;
  readonly round: number;
  readonly attempt: number;
  readonly cohort: string;
  readonly tellAtMs: number;
  readonly untilMs: number;
  /** What it is given, whatever model there is when it fetches. */
  readonly given: Omit<RoundModel, 'state'>;
  readonly progress: Progress;
}

/** What a round has come to. */
export interface RoundSummary {
  /** Of the model that it made: the first is 1. */
  readonly round: number;
  readonly atMs: number;
  /** How often it was begun. */
  readonly attempts: number;
  readonly clients: number;
  readonly used: number;
  readonly quarantined: number;
  readonly deltaNorm: number;
  readonly stepNorm: number;
  /** As the clients say. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly federated?: Evaluation;
  readonly central?: Readonly<Record<string, number>>;
  /** Spent up to and with it. */
  readonly epsilon?: number;
}

/** What a private run has spent, and the norm to which its next round clips. */
export interface PrivacyState {
  readonly ledger: Ledger;
  readonly clip: number;
}

/** What is in the registry. */
export interface Candidate {
  readonly version: string;
  readonly manifest: BlobRef;
  readonly before: number;
  readonly after: number;
  readonly rollout?: string;
}

export interface RunState {
  readonly plan: RunPlan;
  readonly by: string;
  readonly createdMs: number;
  readonly base: RunEventOf<'created'>['base'];
  readonly learn: LearnPlan;
  readonly asynchronous: boolean;
  readonly model: RoundModel;
  /** How many models came before this one. */
  readonly round: number;
  readonly phase: Phase;
  readonly members: ReadonlyMap<string, Member>;
  /** When each was asked whose work came, of rounds that have ended and of this attempt. */
  readonly askedMs: ReadonlyMap<string, number>;
  /** Up to when the moments of telling are given away. */
  readonly nextTellMs: number;
  /** Quarantined updates since the last model. */
  readonly quarantined: number;
  readonly attempts: number;
  readonly history: readonly RoundSummary[];
  /** Why the last attempt was no round, or what a completed run has not come to. */
  readonly setback: string | undefined;
  readonly candidate: Candidate | undefined;
  readonly privacy: PrivacyState | undefined;
}

/** The first event of every log. */
export function begin(event: RunEventOf<'created'>): RunState {
  const { plan, atMs, by, base, learn, asynchronous, model } = event;
  return {
    plan,
    by,
    createdMs: atMs,
    base,
    learn,
    asynchronous,
    model,
    round: 0,
    phase: selecting(plan, 'train', 0, 1, atMs),
    members: new Map(),
    askedMs: new Map(),
    nextTellMs: 0,
    quarantined: 0,
    attempts: 1,
    history: [],
    setback: undefined,
    candidate: undefined,
    privacy: plan.privacy && {
      ledger: openLedger(plan.privacy.budget),
      clip: initialClip(plan.privacy.central),
    },
  };
}

/** `undefined` of no events. */
export function replay(events: readonly RunEvent[]): RunState | undefined {
  const [first, ...rest] = events;
  if (first === undefined) return undefined;
  assert(first.kind === 'created', 'a run’s log begins with its creation');
  return rest.reduce(transition, begin(first));
}

export const isActive = (phase: Phase): phase is ActivePhase => 'untilMs' in phase;
export const isOfRound = (phase: Phase): phase is RoundPhase => 'work' in phase;

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

/** How many have answered as they should. */
export const answered = (state: RunState, work: WorkKind): number =>
  [...state.members.values()].filter(({ progress }) => progress.kind === doneAs(state, work))
    .length;

/** Who trains in a masked round shows keys instead of an update. */
const doneAs = ({ plan }: RunState, work: WorkKind): Outcome['kind'] =>
  work === 'evaluate' ? 'evaluated' : plan.masking === undefined ? 'trained' : 'keyed';

/** When so many have answered, nobody else is waited for. */
export function goalOf({ plan, members }: RunState, work: WorkKind): number {
  if (work === 'evaluate') return plan.evaluate?.clients ?? 0;
  // Whom chance has chosen is in the sample, or the accountant's sample is another one.
  return plan.sampling.kind === 'poisson' ? members.size : plan.clients.target;
}

function selecting(
  { timeouts }: RunPlan,
  work: WorkKind,
  round: number,
  attempt: number,
  sinceMs: number,
): RoundPhase {
  const limitMs = work === 'train' ? timeouts.selectMs : timeouts.gatherMs;
  return { kind: 'selecting', work, round, attempt, sinceMs, untilMs: sinceMs + limitMs };
}

function choose(state: RunState, phase: RoundPhase, event: RunEventOf<'chosen'>): RunState {
  const { work, round, attempt, atMs, untilMs } = event;
  if (phase.round !== round || phase.attempt !== attempt || phase.work !== work) return state;
  const begins = phase.kind === 'selecting';
  if (!begins && phase.kind !== 'training' && phase.kind !== 'evaluating') return state;
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
          kind: work === 'train' ? 'training' : 'evaluating',
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
function reply(
  state: RunState,
  { device, op, round, attempt, outcome }: Reply,
  atMs: number,
): RunState {
  const { phase } = state;
  const member = state.members.get(device);
  if (member === undefined || member.progress.kind !== 'asked') return state;
  if (member.round !== round || member.attempt !== attempt) return state;
  if (!isActive(phase) || (phase.kind !== 'training' && phase.kind !== 'evaluating')) return state;
  const isDone = outcome.kind === doneAs(state, member.work);
  if (!isDone && ['trained', 'keyed', 'evaluated'].includes(outcome.kind)) return state;
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

function close(state: RunState, phase: RoundPhase, event: RunEventOf<'closed'>): RunState {
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
  const { round, attempt } = phase;
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
    phase: selecting(plan, 'train', round, attempt + 1, atMs),
  };
}

/** Each stage has a time of its own, and beyond it the coordinator its own. */
function mask(state: RunState, phase: RoundPhase, event: RunEventOf<'masked'>): RunState {
  const { round, attempt, record } = event;
  if (phase.kind !== 'aggregating' || phase.work !== 'train') return state;
  if (phase.round !== round || phase.attempt !== attempt) return state;
  const untilMs = record.untilMs + state.plan.timeouts.finishMs;
  return { ...state, phase: { ...phase, untilMs, masked: record } };
}

function aggregate(state: RunState, phase: RoundPhase, event: RunEventOf<'aggregated'>): RunState {
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
function spend(state: RunState, { atMs, reason }: RunEventOf<'spent'>): RunState {
  return state.round === 0
    ? end(state, { kind: 'failed', sinceMs: atMs, reason })
    : { ...finish(state, atMs), setback: reason };
}

function evaluate(state: RunState, phase: RoundPhase, event: RunEventOf<'evaluated'>): RunState {
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

const end = (state: RunState, phase: Phase): RunState => ({ ...state, members: new Map(), phase });

const trainedOf = ({ members }: RunState): ReadonlyMap<string, Member> =>
  new Map([...members].filter(([, { progress }]) => progress.kind === 'trained'));

function without(
  members: ReadonlyMap<string, Member>,
  devices: readonly string[],
): ReadonlyMap<string, Member> {
  const left = new Map(members);
  for (const device of devices) left.delete(device);
  return left;
}
