// What a run needs now: to ask devices, to end a wait, or that this coordinator puts together what has come. Pure: the state,
// the fleet and the time give it, so that any coordinator comes to the same, and a test needs no clock.

import { createRandom, type Random } from '@skerry/shared';
import type { RandomBytes } from '@skerry/shared/privacy';
import { isDue, type MaskedStage } from '../masking/index.ts';
import { roundsLeft, samplePoisson as samplePrivately } from '../privacy/index.ts';
import { devicesPerEventMax, type RunEvent, type WorkKind } from './run-event.ts';
import {
  answered,
  goalOf,
  isActive,
  type Member,
  type RoundPhase,
  type RunState,
} from './run-state.ts';
import {
  type LearnDevice,
  type Survey,
  samplePoisson,
  sampleUniform,
  survey,
} from './select-clients.ts';
import { updatesMaxOf } from './updates-max.ts';

export interface Fleet {
  /** Asked for only where somebody is to be chosen: it is long. */
  devices(): readonly LearnDevice[];
  /** At work for another run. */
  readonly isBusy: (device: string) => boolean;
  /** By which a private run draws whom it asks: nobody may foresee it. */
  readonly chance?: RandomBytes;
}

export type Step =
  | { readonly kind: 'append'; readonly events: readonly RunEvent[] }
  | { readonly kind: 'aggregate' }
  /** A masked round has its next question, or its sum. */
  | { readonly kind: 'mask' }
  | { readonly kind: 'evaluate' }
  /** What a query’s devices have answered is put together. */
  | { readonly kind: 'tally' }
  | { readonly kind: 'publish' }
  | { readonly kind: 'roll-out' };

const minuteMs = 60_000;

const combinedBy = { train: 'aggregate', evaluate: 'evaluate', query: 'tally' } as const;

/** `undefined`: nothing but to wait. */
export function dueStep(state: RunState, fleet: Fleet, nowMs: number): Step | undefined {
  const { phase } = state;
  if (!isActive(phase)) return undefined;
  const spent = spentStep(state, nowMs);
  if (spent !== undefined) return spent;
  switch (phase.kind) {
    case 'selecting':
      return dueSelection(state, phase, fleet, nowMs);
    case 'training':
      return state.asynchronous
        ? dueAsynchronous(state, phase, fleet, nowMs)
        : dueReplies(state, phase, fleet, nowMs);
    case 'evaluating':
    case 'querying':
      return dueReplies(state, phase, fleet, nowMs);
    case 'aggregating':
      return nowMs >= phase.untilMs
        ? close(nowMs, 'it could not be put together in time')
        : phase.work !== 'evaluate' && state.plan.masking !== undefined
          ? dueMasking(phase.masked, nowMs)
          : { kind: combinedBy[phase.work] };
    case 'publishing':
      return nowMs >= phase.untilMs
        ? close(nowMs, 'the candidate could not be made in time')
        : { kind: 'publish' };
    case 'releasing':
      return nowMs >= phase.untilMs
        ? close(nowMs, 'nobody has signed the candidate in time: it is not rolled out')
        : { kind: 'roll-out' };
  }
}

/** Before anybody is asked in vain. [RND21] */
function spentStep(state: RunState, nowMs: number): Step | undefined {
  const { phase, plan, privacy } = state;
  if (plan.privacy === undefined || privacy === undefined) return undefined;
  if (phase.kind !== 'selecting' || phase.work === 'evaluate') return undefined;
  const { epsilonMax, delta } = plan.privacy.budget;
  if (roundsLeft(privacy.ledger, privacy.mechanism, 1) > 0) return undefined;
  const reason = `the privacy budget is spent: a further round would exceed ε ${epsilonMax} at δ ${delta}`;
  return { kind: 'append', events: [{ kind: 'spent', atMs: nowMs, reason }] };
}

const dueMasking = (record: MaskedStage | undefined, nowMs: number): Step | undefined =>
  record === undefined || isDue(record, nowMs) ? { kind: 'mask' } : undefined;

/** Who may be asked for this work now. */
export function surveyFor(
  state: RunState,
  { devices, isBusy }: Fleet,
  work: WorkKind,
  nowMs: number,
): Survey {
  const { plan, learn, query, members } = state;
  return survey(devices(), {
    plan,
    learn,
    query,
    // Who has trained may say how good it is.
    askedMs: work === 'train' ? state.askedMs : new Map(),
    isBusy: (device) => members.has(device) || isBusy(device),
    opened: openedFor(state, work),
    nowMs,
  });
}

/** Whoever has opened a sum may say how good the model is. [MSK3] */
export const openedFor = ({ opened }: RunState, work: WorkKind): ReadonlySet<string> =>
  work === 'evaluate' ? new Set() : opened;

/** How many are asked at first, and with how many less it may begin. */
function numbersOf({ plan }: RunState, work: WorkKind): { wanted: number; min: number } {
  if (work === 'evaluate') return { wanted: plan.evaluate?.clients ?? 0, min: 1 };
  const { target, min, overSelect } = plan.clients;
  return { wanted: Math.ceil(target * overSelect), min };
}

function dueSelection(
  state: RunState,
  phase: RoundPhase,
  fleet: Fleet,
  nowMs: number,
): Step | undefined {
  const { plan } = state;
  const { eligible } = surveyFor(state, fleet, phase.work, nowMs);
  const { wanted, min } = numbersOf(state, phase.work);
  const opened = openedFor(state, phase.work).size;
  const few =
    `${eligible.length} devices may be asked, ${min} are needed` +
    (opened === 0 ? '' : `; ${opened} have opened a sum of this round, and are in no second one`);
  if (plan.sampling.kind === 'poisson' && phase.work === 'train') {
    if (eligible.length < min) return nowMs >= phase.untilMs ? close(nowMs, few) : undefined;
    const { share } = plan.sampling;
    const chosen =
      plan.privacy === undefined || fleet.chance === undefined
        ? samplePoisson(eligible, share, randomOf(state, phase))
        : samplePrivately(eligible, share, fleet.chance);
    const max = updatesMaxOf(state.learn);
    if (chosen.length > max)
      return close(nowMs, `chance has chosen ${chosen.length}, ${max} are the most`);
    return chosen.length < min
      ? close(nowMs, `chance has chosen ${chosen.length}, ${min} are needed`)
      : ask(state, phase, chosen, eligible.length, nowMs);
  }
  const isGathered = nowMs >= phase.sinceMs + plan.timeouts.gatherMs;
  if (eligible.length >= wanted || (isGathered && eligible.length >= min)) {
    const chosen = sampleUniform(eligible, wanted, randomOf(state, phase));
    return ask(state, phase, chosen, eligible.length, nowMs);
  }
  return nowMs >= phase.untilMs ? close(nowMs, few) : undefined;
}

function dueReplies(
  state: RunState,
  phase: RoundPhase,
  fleet: Fleet,
  nowMs: number,
): Step | undefined {
  const { work } = phase;
  const done = answered(state, work);
  const goal = goalOf(state, work);
  if (done >= goal) return close(nowMs, `${done} have answered`);
  const open = [...state.members.values()].filter(({ progress }) => progress.kind === 'asked');
  if (nowMs >= phase.untilMs)
    return close(nowMs, `${done} have answered in time, ${open.length} have not`);
  // Others are asked in the place of those who cannot, while they would have half of the time.
  const lacking = goal - done - open.length;
  const mayAsk =
    work !== 'evaluate' &&
    state.plan.sampling.kind === 'uniform' &&
    nowMs < phase.sinceMs + (phase.untilMs - phase.sinceMs) / 2;
  if (mayAsk && lacking > 0) {
    const { eligible } = surveyFor(state, fleet, work, nowMs);
    const count = Math.ceil(lacking * state.plan.clients.overSelect);
    const chosen = sampleUniform(eligible, count, randomOf(state, phase));
    if (chosen.length > 0) return ask(state, phase, chosen, eligible.length, nowMs);
  }
  const isEnough = done >= numbersOf(state, work).min;
  if (open.length > 0 || (mayAsk && !isEnough)) return undefined;
  return close(nowMs, `${done} have answered, and nobody else is asked`);
}

function dueAsynchronous(
  state: RunState,
  phase: RoundPhase,
  fleet: Fleet,
  nowMs: number,
): Step | undefined {
  const { target } = state.plan.clients;
  if (answered(state, 'train') >= target) return { kind: 'aggregate' };
  // What came within the time of a round counts, if it is enough. [RND4]
  if (nowMs >= phase.untilMs)
    return answered(state, 'train') >= state.plan.clients.min
      ? { kind: 'aggregate' }
      : close(nowMs, `fewer than ${target} updates in the time of a round`);
  const late = [...state.members]
    .filter(([, member]) => isOver(member, state.round, nowMs))
    .map(([device]) => device);
  if (late.length > 0)
    return {
      kind: 'append',
      events: inParts(late).map((devices) => ({ kind: 'lapsed', atMs: nowMs, devices })),
    };
  const atWork = [...state.members.values()].filter(({ progress }) => progress.kind === 'asked');
  const room = numbersOf(state, 'train').wanted - atWork.length;
  if (room <= 0) return undefined;
  const { eligible } = surveyFor(state, fleet, 'train', nowMs);
  const chosen = sampleUniform(eligible, room, randomOf(state, phase));
  return chosen.length === 0 ? undefined : ask(state, phase, chosen, eligible.length, nowMs);
}

/** Nobody waits for it any more: it is late, or it could not, and there is another model now that it may be asked for. */
const isOver = ({ progress, untilMs, round }: Member, now: number, nowMs: number): boolean =>
  progress.kind !== 'trained' && (untilMs <= nowMs || (progress.kind !== 'asked' && round < now));

const close = (atMs: number, reason: string): Step => ({
  kind: 'append',
  events: [{ kind: 'closed', atMs, reason }],
});

/** Each is told at a moment of its own, below the plan's pace: they fetch the model then. [RND7] */
function ask(
  state: RunState,
  phase: RoundPhase,
  chosen: readonly LearnDevice[],
  eligible: number,
  nowMs: number,
): Step {
  const { plan } = state;
  const { work, round, attempt } = phase;
  const apartMs = minuteMs / plan.tellsPerMinute;
  const firstMs = Math.max(nowMs, Math.min(state.nextTellMs + apartMs, nowMs + minuteMs));
  const members = chosen.map((device, i) => ({
    device: device.device,
    cohort: cohortOf(device, plan.query?.cohort ?? plan.evaluate?.cohort ?? 'site'),
    tellAtMs: Math.round(firstMs + i * apartMs),
  }));
  const { roundMs, evaluateMs } = plan.timeouts;
  const ownMs = (members.at(-1)?.tellAtMs ?? nowMs) + (work === 'evaluate' ? evaluateMs : roundMs);
  // Who takes another's place has what is left of the round: it ends for all at once. [RND12]
  const isJoining = phase.kind !== 'selecting' && !state.asynchronous;
  const untilMs = isJoining ? Math.min(ownMs, phase.untilMs) : ownMs;
  return {
    kind: 'append',
    events: inParts(members).map((part) => ({
      kind: 'chosen',
      atMs: nowMs,
      work,
      round,
      attempt,
      untilMs,
      eligible,
      members: part,
    })),
  };
}

function cohortOf(
  { site, target, learn }: LearnDevice,
  cohort: 'site' | 'target' | 'hardware-class',
): string {
  if (cohort === 'hardware-class') return learn?.hardwareClass ?? 'unknown';
  return cohort === 'site' ? site : target;
}

/** The plan's seed, and where in the run it is: a selection can be told again from the log. */
function randomOf({ plan, members }: RunState, { round, attempt, work }: RoundPhase): Random {
  const kind = work === 'evaluate' ? 1 : 0;
  return createRandom(plan.seed)
    .fork(round)
    .fork(attempt * 2 + kind)
    .fork(members.size);
}

function inParts<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  for (let from = 0; from < items.length; from += devicesPerEventMax)
    parts.push(items.slice(from, from + devicesPerEventMax));
  return parts;
}
