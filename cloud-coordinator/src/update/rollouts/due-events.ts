// What time does to a rollout: who has been silent for too long, and what the gate says now. Pure, so that any coordinator
// comes to the same, and a test needs no clock.

import type { UpdateState } from '@skerry/sync-protocol/update';
import { eventCharsMax } from '../../event-log/event-store.ts';
import { evaluateGate, type Observed } from './evaluate-gate.ts';
import type { Execution } from './gate-signs.ts';
import { isLeft, type Member } from './member.ts';
import { devicesPerEventMax, type RolloutEvent, type Tally } from './rollout-event.ts';
import type { RolloutPlan } from './rollout-plan.ts';
import type { RolloutState } from './rollout-state.ts';

/** `isJudged`: the gate has seen these very members and said `hold`. */
export function dueEvents(
  state: RolloutState,
  nowMs: number,
  isJudged = false,
): readonly RolloutEvent[] {
  const { phase } = state;
  const late = [...state.members]
    .filter(([, member]) => deadlineOf(member, state.plan) <= nowMs)
    .map(([device]) => device);
  const events: RolloutEvent[] = chunked(late).map((devices) => ({
    kind: 'lapsed',
    atMs: nowMs,
    devices,
  }));
  if (events.length > 0) return events; // The gate is asked when these are in the log.
  if (!isJudged && (phase.kind === 'running' || phase.kind === 'completed')) {
    const verdict = evaluateGate(state.plan.gate, observe(state));
    const counts =
      phase.kind === 'running' ? verdict.verdict !== 'hold' : verdict.verdict === 'rollback';
    if (counts) return [{ kind: 'judged', atMs: nowMs, wave: phase.wave, verdict }];
  }
  const endMs = phaseEnd(state);
  return endMs !== undefined && endMs <= nowMs ? [{ kind: 'timed-out', atMs: nowMs }] : [];
}

/** `undefined` in a phase that waits for nothing. */
export function phaseEnd({ phase, plan }: RolloutState): number | undefined {
  switch (phase.kind) {
    case 'awaiting-approval':
      return phase.sinceMs + plan.timeouts.approvalMs;
    case 'running':
      return phase.sinceMs + plan.timeouts.waveMs;
    case 'paused':
      return phase.sinceMs + plan.timeouts.pauseMs;
    case 'rolling-back':
      return phase.sinceMs + plan.timeouts.rollbackMs;
    default:
      return undefined;
  }
}

/** When this device has been waited for long enough. Infinite where it waits for us. */
export function deadlineOf(member: Member, { device, timeouts }: RolloutPlan): number {
  const { progress, online } = member;
  const never = Number.POSITIVE_INFINITY;
  if (progress.kind === 'issued') return progress.atMs + timeouts.takeMs;
  if (progress.kind === 'reverting')
    return online && progress.toldMs !== undefined && !isLeft(member)
      ? progress.toldMs + timeouts.revertMs
      : never;
  if (progress.kind !== 'under-way') return never;
  const { state, sinceMs, fetchAtMs, activateAtMs } = progress;
  const { fetchMs, shadowMs, activateMs, soakMs } = device.timeouts;
  // As the device counts (its plan-update.ts), and then the grace.
  const own: Partial<Record<UpdateState, number>> = {
    assigned: Math.max(0, fetchAtMs - sinceMs) + fetchMs,
    fetching: fetchMs,
    verified: fetchMs,
    staged: fetchMs,
    shadowing: shadowMs,
    activating: Math.max(0, activateAtMs - fetchAtMs) + activateMs,
    soaking: soakMs,
    // It tries again: that has the time of a fetch to begin.
    'rolled-back': fetchMs,
  };
  return sinceMs + (own[state] ?? 0) + timeouts.graceMs;
}

/** What the gate may know. */
export function observe(state: RolloutState): Observed {
  const executions: Execution[] = [];
  let refused = 0;
  for (const [device, { progress, health, baseline }] of state.members) {
    if (progress.kind === 'refused') refused++;
    const isExecuted =
      progress.kind === 'failed' || (progress.kind === 'succeeded' && !progress.already);
    if (isExecuted)
      executions.push({ device, failed: progress.kind === 'failed', health, baseline });
  }
  return { tally: tally(state, state.phase.wave), executions, refused };
}

/** Of whose own wave it is. A late one of a wave that is over opens nothing again: it is in no other wave's count. */
export function tally(state: RolloutState, wave: number): Tally {
  const counts = {
    members: 0,
    waiting: 0,
    underWay: 0,
    succeeded: 0,
    failed: 0,
    refused: 0,
    unreachable: 0,
    exempt: 0,
  };
  for (const member of state.members.values()) {
    if (member.wave !== wave) continue;
    counts.members++;
    switch (member.progress.kind) {
      case 'waiting':
      case 'issued':
        counts[member.online ? 'waiting' : 'unreachable']++;
        break;
      case 'under-way':
      case 'reverting':
        counts.underWay++;
        break;
      case 'succeeded':
        counts[member.progress.already ? 'exempt' : 'succeeded']++;
        break;
      case 'safe':
      case 'control':
        counts.exempt++;
        break;
      case 'failed':
        counts.failed++;
        break;
      case 'refused':
        counts.refused++;
        break;
    }
  }
  return counts;
}

/** Each of no more than an event may hold, in number and as text; an item that is more by itself is alone. */
export function chunked<Item>(items: readonly Item[]): Item[][] {
  const chunks: Item[][] = [];
  let chars = 0;
  for (const item of items) {
    const own = JSON.stringify(item).length + 1;
    const last = chunks.at(-1);
    if (
      last === undefined ||
      last.length >= devicesPerEventMax ||
      chars + own > eventCharsMax - eventOverheadChars
    ) {
      chunks.push([item]);
      chars = own;
    } else {
      last.push(item);
      chars += own;
    }
  }
  return chunks;
}

/** Its kind, its time and the brackets. */
const eventOverheadChars = 256;
