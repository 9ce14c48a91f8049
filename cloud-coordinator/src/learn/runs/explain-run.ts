// Why a run stands where it stands, in a sentence for a person: there is always one.

import { stateOf } from '../privacy/index.ts';
import { type Fleet, openedFor, surveyFor } from './due-step.ts';
import {
  type ActivePhase,
  answered,
  goalOf,
  isActive,
  isOfRound,
  type Member,
  type RunState,
} from './run-state.ts';
import { whyIneligible } from './select-clients.ts';

export function explainRun(state: RunState, fleet: Fleet, nowMs: number): readonly string[] {
  const { phase, setback, plan } = state;
  const told = isActive(phase) ? explainPhase(state, phase, fleet, nowMs) : endOf(state);
  return [
    told,
    ...explainPrivacy(state),
    ...(setback === undefined
      ? []
      : [isActive(phase) ? `the attempt before was none: ${setback}` : setback]),
    ...(isOfRound(phase) && state.attempts > 1
      ? [`attempt ${state.attempts} of ${plan.attemptsMax} for this round`]
      : []),
  ];
}

function explainPrivacy({ privacy, history }: RunState): readonly string[] {
  if (privacy === undefined) return [];
  const { epsilon, delta, epsilonMax, released, conversion } = stateOf(privacy.ledger);
  const { noiseMultiplier: z } = history.at(-1) ?? {};
  const counted = privacy.mechanism.noiseMultiplier;
  const extra =
    z === undefined
      ? ''
      : `; of the noise of devices z ${counted.toFixed(3)} is counted, the latest sum has ${z.toFixed(3)}`;
  return [
    `privacy: ε ${epsilon.toFixed(3)} of ${epsilonMax} at δ ${delta} is spent for ${released} models (${conversion})${extra}`,
  ];
}

function madeOf(candidate: RunState['candidate']): string {
  if (candidate === undefined) return '';
  const { version, before, after, rollout } = candidate;
  const shares = `${(100 * after).toFixed(2)} % on held-out examples, its base ${(100 * before).toFixed(2)} %`;
  return `; version ${version} is in the registry (${shares})${rollout === undefined ? '' : `, rolled out as ${rollout}`}`;
}

function endOf({ phase, round, plan, candidate }: RunState): string {
  const done = `${round} of ${plan.rounds} rounds`;
  if (isActive(phase) || phase.kind === 'completed')
    return `completed: ${done}${madeOf(candidate)}`;
  const by = phase.by === undefined ? '' : ` by ${phase.by}`;
  return `${phase.kind}${by} after ${done}: ${phase.reason}`;
}

function explainPhase(state: RunState, phase: ActivePhase, fleet: Fleet, nowMs: number): string {
  const left = duration(phase.untilMs - nowMs);
  if (!isOfRound(phase)) return explainEnd(state, phase.kind, left);
  const where = `round ${phase.round + (phase.work === 'evaluate' ? 0 : 1)} of ${state.plan.rounds}`;
  switch (phase.kind) {
    case 'selecting': {
      const { eligible, ineligible } = surveyFor(state, fleet, phase.work, nowMs);
      const why = Object.entries(ineligible).map(([reason, count]) => `${count} ${reason}`);
      const others = why.length === 0 ? '' : `; not: ${why.join(', ')}`;
      return `${where}: waits for devices to ${phase.work}: ${eligible.length} may be asked${others}; gives up in ${left}`;
    }
    case 'training':
    case 'evaluating':
    case 'querying': {
      const counts = countsOf(state);
      const told = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`);
      return `${where}: ${answered(state, phase.work)} of ${goalOf(state, phase.work)} replies (${told.join(', ')}); ends in ${left}`;
    }
    case 'aggregating':
      return phase.masked === undefined
        ? `${where}: puts together what has come; gives up in ${left}`
        : `${where}: a masked sum, at ${phase.masked.stage}: ${phase.masked.waiting.length} devices have not answered; it goes on in ${duration(phase.masked.untilMs - nowMs)}`;
  }
}

function explainEnd({ plan, candidate }: RunState, kind: 'publishing' | 'releasing', left: string) {
  return kind === 'publishing'
    ? `all ${plan.rounds} rounds are done: makes the candidate; gives up in ${left}`
    : `${plan.model} ${candidate?.version} is in the registry, and is rolled out when it is signed (skerry-coordinator tuf add, sign, publish); gives up in ${left}`;
}

export function countsOf({ members }: RunState): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { progress } of members.values())
    counts[progress.kind] = (counts[progress.kind] ?? 0) + 1;
  return counts;
}

/** What a run wants of one device, or why it wants nothing. */
export function explainClient(
  state: RunState,
  device: string,
  fleet: Fleet,
  nowMs: number,
): string | undefined {
  const { phase } = state;
  if (!isActive(phase) || !isOfRound(phase)) return undefined;
  const member = state.members.get(device);
  if (member !== undefined) return explainMember(member, nowMs);
  const known = fleet.devices().find((each) => each.device === device);
  if (known === undefined) return undefined;
  const why = whyIneligible(known, {
    plan: state.plan,
    learn: state.learn,
    query: state.query,
    askedMs: phase.work === 'train' ? state.askedMs : new Map(),
    isBusy: fleet.isBusy,
    opened: openedFor(state, phase.work),
    nowMs,
  });
  return why === undefined ? 'may be asked and is not, now' : `is not asked: ${why}`;
}

function explainMember({ progress, tellAtMs, untilMs, work }: Member, nowMs: number): string {
  switch (progress.kind) {
    case 'asked':
      return tellAtMs > nowMs
        ? `will be asked to ${work} in ${duration(tellAtMs - nowMs)}`
        : `is asked to ${work}; waited for ${duration(untilMs - nowMs)} more`;
    case 'trained':
    case 'evaluated':
    case 'queried':
      return `has ${progress.kind}`;
    case 'keyed':
      return `has ${work === 'train' ? 'trained' : 'answered'}, and masks`;
    case 'surplus':
      return 'has answered when enough had';
    default:
      return `${progress.kind}: ${progress.reason}`;
  }
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
