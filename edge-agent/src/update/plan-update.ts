// What is to be done next for one model, as data: a step, or a wait with a reason that a person can read. Pure: all that
// it weighs is an argument. The shell runs the step, and what comes of it is an event of update-state.ts.

import type { Health, ModelAssignment } from '@skerry/sync-protocol/update';
import { judgeHealth } from './judge-health.ts';
import { planControl } from './plan-control.ts';
import {
  contentOf,
  type Evidence,
  type ModelUpdate,
  type Moment,
  type Reason,
  reasonCodes,
  type UpdateRecord,
} from './update-record.ts';
import { attemptsMax } from './update-state.ts';

export interface UpdateWorld {
  readonly now: Moment;
  readonly wallMs: number;
  readonly linkUp: boolean;
  readonly metered: boolean;
  /** What is being done already. */
  readonly busy?: string;
  /** The last try of this step could not be made yet. */
  readonly hold?: Hold;
  /** While shadowing; absent: it does not run yet. */
  readonly shadow?: ShadowProgress;
  /** While soaking: of the candidate, since it is active. In the control arm of an experiment: of what runs. */
  readonly health?: Health;
}

export interface Hold {
  readonly untilRanMs: number;
  readonly reason: string;
}

export interface ShadowProgress {
  readonly answers: number;
  readonly agreed: number;
  readonly failures: number;
  readonly millijoules: number;
  readonly health: Health;
}

export type Step =
  | { readonly kind: 'wait'; readonly reason?: string; readonly untilRanMs?: number }
  | { readonly kind: 'begin' | 'fetch' | 'stage' | 'shadow' | 'proceed' | 'activate' }
  | { readonly kind: 'observe' | 'pass-shadow' | 'confirm'; readonly evidence: Evidence }
  | { readonly kind: 'fail'; readonly reason: Reason; readonly evidence?: Evidence }
  | { readonly kind: 'retry' | 'give-up' | 'quarantine' };

/** Before a try again, doubled each time. */
const retryAfterMs = 60_000;
/** Shadow runs that failed, which end it. */
const shadowFailuresMax = 3;
const minuteMs = 60_000;
const dayMinutes = 1_440;

export function planUpdate(update: ModelUpdate, world: UpdateWorld): Step {
  const { state } = update;
  switch (state.kind) {
    case 'idle':
    case 'confirmed':
    case 'refused':
    case 'stopped':
    case 'quarantined':
      return { kind: 'wait' };
    case 'rolled-back':
      return planRetry(state, world);
    case 'soaking': {
      // Judged first: what is known against it says more than that its time is up.
      const step = planSoak(state, world);
      return step.kind === 'wait' ? (overdue(state, world) ?? step) : step;
    }
    default:
      if (state.kind === 'assigned' && state.goal.arm === 'control')
        return planControl(state, world);
      return overdue(state, world) ?? waiting(world) ?? planNext(update, state, world);
  }
}

type UnderWay = Exclude<
  UpdateRecord,
  { kind: 'idle' | 'confirmed' | 'refused' | 'stopped' | 'quarantined' | 'rolled-back' }
>;

function planRetry(
  { goal, reason, since }: Extract<UpdateRecord, { kind: 'rolled-back' }>,
  { now }: UpdateWorld,
): Step {
  const whose = reasonCodes[reason.code];
  if (whose === 'bundle') return { kind: 'quarantine' };
  if (whose === 'director') return { kind: 'wait' };
  if (goal.attempt >= attemptsMax) return { kind: 'give-up' };
  const untilRanMs = since.ranMs + retryAfterMs * 2 ** (goal.attempt - 1);
  return now.ranMs >= untilRanMs
    ? { kind: 'retry' }
    : { kind: 'wait', reason: `tries again after: ${reason.message}`, untilRanMs };
}

/** Each state under way has its end, which counts while the agent runs. */
function overdue(state: UnderWay, { now, health }: UpdateWorld): Step | undefined {
  const { terms, fetchDelayMs, activateDelayMs } = state.goal;
  const { fetchMs, shadowMs, activateMs, soakMs } = terms.timeouts;
  const allowedMs: Record<UnderWay['kind'], number> = {
    assigned: fetchDelayMs + fetchMs,
    fetching: fetchMs,
    verified: fetchMs,
    staged: fetchMs,
    shadowing: shadowMs,
    activating: activateDelayMs + activateMs,
    soaking: Math.max(soakMs, terms.soak.forMs + 1),
  };
  const ranMs = now.ranMs - state.since.ranMs;
  if (ranMs < allowedMs[state.kind]) return undefined;
  const seconds = Math.round(ranMs / 1000);
  const message = `${state.kind} for ${seconds} s`;
  return state.kind === 'soaking'
    ? {
        kind: 'fail',
        reason: { code: 'insufficient-data', message },
        evidence: { ...(health && { health }) },
      }
    : { kind: 'fail', reason: { code: 'timeout', message } };
}

function waiting({ busy, hold, now }: UpdateWorld): Step | undefined {
  if (busy !== undefined) return { kind: 'wait', reason: busy };
  if (hold !== undefined && hold.untilRanMs > now.ranMs) return { kind: 'wait', ...hold };
  return undefined;
}

function planNext(
  update: ModelUpdate,
  state: Exclude<UnderWay, { kind: 'soaking' }>,
  world: UpdateWorld,
): Step {
  switch (state.kind) {
    case 'assigned':
      return planFetch(update, state, world);
    case 'fetching':
      return { kind: 'fetch' };
    case 'verified':
      return { kind: 'stage' };
    case 'staged':
      return { kind: state.goal.terms.shadow === undefined ? 'proceed' : 'shadow' };
    case 'shadowing':
      return planShadow(state.goal.terms.shadow, world.shadow);
    case 'activating':
      return planActivation(state, world);
  }
}

function planFetch(
  update: ModelUpdate,
  { goal }: Extract<UpdateRecord, { kind: 'assigned' }>,
  { now, linkUp, metered }: UpdateWorld,
): Step {
  // What lies here already costs nobody a byte, so nobody needs to take turns.
  const isHere = (['a', 'b', 'factory'] as const).some(
    (place) => contentOf(update, place)?.bundle === goal.bundle,
  );
  if (isHere) return { kind: 'begin' };
  const leftMs = goal.taken.passedMs + goal.fetchDelayMs - now.passedMs;
  if (leftMs > 0)
    return {
      kind: 'wait',
      reason: 'its turn to fetch has not come',
      untilRanMs: now.ranMs + leftMs,
    };
  if (!linkUp) return { kind: 'wait', reason: 'no link' };
  if (metered && goal.terms.metered === 'wait')
    return { kind: 'wait', reason: 'the link is metered' };
  return { kind: 'begin' };
}

function planShadow(terms: ModelAssignment['shadow'], ran: ShadowProgress | undefined): Step {
  if (terms === undefined) return { kind: 'proceed' };
  if (ran === undefined) return { kind: 'shadow' };
  const { answers, agreed, failures, millijoules, health } = ran;
  const evidence: Evidence = { health };
  const said = `agreed in ${agreed} of ${answers}`;
  // Also where all that are still to come agree.
  const best = agreed + Math.max(0, terms.runsMin - answers);
  if (best < terms.agreementMin * Math.max(answers, terms.runsMin))
    return fail('shadow', `${said}, at least ${terms.agreementMin}`, evidence);
  if (failures >= shadowFailuresMax)
    return fail('shadow', `${failures} shadow runs failed`, evidence);
  if (answers >= terms.runsMin) return { kind: 'pass-shadow', evidence };
  if (terms.millijoulesMax !== undefined && millijoules >= terms.millijoulesMax)
    return fail('insufficient-data', `${said}: the energy for shadow runs is spent`, evidence);
  return { kind: 'wait', reason: `in its shadow: ${said}, ${terms.runsMin} runs are needed` };
}

function planActivation(
  { goal, since }: Extract<UpdateRecord, { kind: 'activating' }>,
  { now, wallMs }: UpdateWorld,
): Step {
  const leftMs = since.passedMs + goal.activateDelayMs - now.passedMs;
  if (leftMs > 0)
    return {
      kind: 'wait',
      reason: 'its turn to activate has not come',
      untilRanMs: now.ranMs + leftMs,
    };
  const { maintenance } = goal.terms;
  if (maintenance === undefined) return { kind: 'activate' };
  if (wallMs < goal.issuedMs)
    return { kind: 'wait', reason: 'the clock is not set: no maintenance window can be told' };
  return isMaintained(maintenance, wallMs)
    ? { kind: 'activate' }
    : { kind: 'wait', reason: 'outside the maintenance window' };
}

/** UTC. A window that began yesterday may still be open. */
export function isMaintained(
  { days, fromMinute, minutes }: NonNullable<ModelAssignment['maintenance']>,
  wallMs: number,
): boolean {
  const minute = Math.floor(wallMs / minuteMs);
  // 1 January 1970 was a Thursday.
  const weekday = (back: number): number => (Math.floor(minute / dayMinutes) + 4 + 7 - back) % 7;
  const today = minute % dayMinutes;
  return [0, 1].some((back) => {
    const sinceOpening = today + back * dayMinutes - fromMinute;
    return days.includes(weekday(back)) && sinceOpening >= 0 && sinceOpening < minutes;
  });
}

function planSoak(
  state: Extract<UpdateRecord, { kind: 'soaking' }>,
  { now, health }: UpdateWorld,
): Step {
  const { terms } = state.goal;
  if (health === undefined) return { kind: 'wait', reason: 'it does not answer yet' };
  const evidence: Evidence = { health };
  const against = judgeHealth(health, state.evidence.baseline, terms.soak.limits);
  if (against.length > 0) return fail('health', against.join('; '), evidence);
  const ranMs = now.ranMs - state.since.ranMs;
  if (isLongEnough(terms, ranMs, health)) return { kind: 'confirm', evidence };
  const { forMs, requestsMin } = terms.soak;
  const reason = `soaks: ${health.requests} of ${requestsMin} requests, ${Math.floor(ranMs / 1000)} of ${Math.ceil(forMs / 1000)} s`;
  return { kind: 'wait', reason, untilRanMs: state.since.ranMs + forMs };
}

const isLongEnough = (
  { soak }: ModelAssignment,
  ranMs: number,
  health: Health | undefined,
): boolean => ranMs >= soak.forMs && (health?.requests ?? 0) >= soak.requestsMin;

const fail = (code: Reason['code'], message: string, evidence: Evidence): Step => ({
  kind: 'fail',
  reason: { code, message: message.slice(0, 512) },
  evidence,
});
