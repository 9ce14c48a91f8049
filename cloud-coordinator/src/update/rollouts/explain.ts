// Why something stands where it stands, in a sentence for a person: there is always one.

import { deadlineOf, phaseEnd, tally } from './due-events.ts';
import { isLeft, type Member, tellsMax } from './member.ts';
import { isOpen, type RolloutState } from './rollout-state.ts';

/** What a rollout waits for, and until when at most. */
export function explainRollout(state: RolloutState, nowMs: number): string {
  const { phase, plan, verdict } = state;
  const endMs = phaseEnd(state);
  const until = endMs === undefined ? '' : `; ends by itself in ${duration(endMs - nowMs)}`;
  switch (phase.kind) {
    case 'awaiting-approval':
      return `waits for somebody to approve wave ${phase.wave}${until}`;
    case 'running': {
      const { members, succeeded, failed, underWay, waiting, unreachable } = tally(
        state,
        phase.wave,
      );
      return `wave ${phase.wave}: of ${members} devices ${succeeded} succeeded, ${failed} failed, ${underWay} under way, ${waiting} wait for their turn, ${unreachable} unreachable${until}`;
    }
    case 'paused':
      return `paused in wave ${phase.wave}: ${phase.reason}${until}`;
    case 'completed':
      return `completed; who comes back or joins gets ${plan.version} in turn`;
    case 'aborted':
      return `aborted: ${phase.reason}; who had confirmed keeps it`;
    case 'rolling-back':
      return `rolling back: ${phase.reason}; ${reverting(state, true)} devices that are heard may still run it${until}`;
    case 'rolled-back':
      return `rolled back: ${phase.reason}; ${reverting(state, false)} devices that are away are turned when they come back${owedOnline(state)}${verdict === undefined ? ' (ordered)' : ''}`;
  }
}

const reverting = ({ members }: RolloutState, online: boolean): number =>
  [...members.values()].filter((m) => m.progress.kind === 'reverting' && m.online === online)
    .length;

function owedOnline(state: RolloutState): string {
  const owed = reverting(state, true);
  return owed === 0 ? '' : `, ${owed} that are heard still owe it`;
}

/** `undefined`: the rollout is not about this device. */
export function explainDevice(
  state: RolloutState,
  device: string,
  nowMs: number,
): string | undefined {
  const member = state.members.get(device);
  if (member === undefined) return undefined;
  const { progress } = member;
  const deadlineMs = deadlineOf(member, state.plan);
  const until = Number.isFinite(deadlineMs) ? `; given up in ${duration(deadlineMs - nowMs)}` : '';
  switch (progress.kind) {
    case 'waiting':
      return `waits ${waitsFor(state, member)}`;
    case 'issued':
      return `was told ${duration(nowMs - progress.atMs)} ago and has not answered${until}`;
    case 'under-way':
      return progress.state === 'confirmed'
        ? `has confirmed; its heartbeat must say so too${until}`
        : `is ${progress.state} since ${duration(nowMs - progress.sinceMs)}${until}`;
    case 'succeeded':
      return progress.already ? 'ran it before' : 'runs it, confirmed';
    case 'failed':
      return `failed: ${progress.reason}`;
    case 'refused':
      return `refused: ${progress.reason}`;
    case 'control':
      return 'is in the arm that keeps the incumbent';
    case 'reverting':
      if (!member.online) return 'must go back and is away; it is turned when it comes back';
      if (progress.stays !== undefined)
        return `must go back and cannot, it is told so no more: ${progress.stays}`;
      return isLeft(member)
        ? `was told ${tellsMax} times to go back and has not; it is told no more until it has been away`
        : `is told to go back and has not answered${until}`;
    case 'safe':
      return 'is back on what it ran before';
  }
}

function waitsFor(state: RolloutState, member: Member): string {
  const { phase } = state;
  if (!member.online) return 'to be heard: it is offline';
  if (phase.kind === 'paused') return `for the pause to end: ${phase.reason}`;
  if (phase.kind === 'awaiting-approval') return 'for an approval';
  if (!isOpen(state, member)) return `for wave ${member.wave}; the rollout is ${phase.kind}`;
  return state.plan.budget === undefined
    ? 'for its turn: the herd limit'
    : 'for its turn: the herd limit, or others of its site that are under update';
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
