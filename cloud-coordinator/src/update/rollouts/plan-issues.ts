// Who is to be told what, now. Pure: the state of a rollout and the time give the issues to write down; the shell writes
// them first and tells then, so that who was cut off in between tells the same again.
//
// The herd: a device fetches at a moment that is its own. Moments are given away one after the other, at a pace below the
// limit, to devices that are there to hear it; who was away gets his when he comes back, at the end of the line. So the
// limit holds however many come back at once. It is one line for all rollouts: whatever their number, the links carry no
// more than the largest of their limits, and they take turns: whoever's last moment is the earliest gives away what is free.
// Nothing is given away further ahead than `horizonMs`, so that a pause finds few on their way.

import type { RolloutEvent } from './rollout-event.ts';
import { isOpen, type RolloutState } from './rollout-state.ts';

export type Issue = Extract<RolloutEvent, { kind: 'issued' }>['issues'][number];

export interface PlanLimits {
  /** What else governs these: a later rollout of the model, or an operator’s stop. */
  readonly isClaimed: (device: string) => boolean;
  /** Absent: there is no other. */
  readonly line?: FleetLine;
}

/** What other rollouts have given away, and how many want more. */
export interface FleetLine {
  readonly nextFetchMs: number;
  readonly nextActivateMs: number;
  /** This one, and the others that have somebody to tell. */
  readonly sharing: number;
  /** How many of those have given away no later moment than this one: it leaves them their part of the horizon. */
  readonly behind: number;
}

const alone: FleetLine = { nextFetchMs: 0, nextActivateMs: 0, sharing: 1, behind: 0 };

/** @param drawn the last moments that any coordinator is known to have given away, for whichever rollout */
export function fleetLine(
  state: RolloutState,
  all: readonly RolloutState[],
  drawn: Pick<FleetLine, 'nextFetchMs' | 'nextActivateMs'> = alone,
): FleetLine {
  const others = all.filter(({ plan }) => plan.id !== state.plan.id);
  const waiting = others.filter(hasWaiting);
  return {
    nextFetchMs: Math.max(drawn.nextFetchMs, ...others.map((other) => other.nextFetchMs)),
    nextActivateMs: Math.max(drawn.nextActivateMs, ...others.map((other) => other.nextActivateMs)),
    sharing: 1 + waiting.length,
    behind: waiting.filter((other) => other.nextFetchMs <= state.nextFetchMs).length,
  };
}

const hasWaiting = (state: RolloutState): boolean =>
  [...state.members.values()].some(
    (member) => member.progress.kind === 'waiting' && member.online && isOpen(state, member),
  );

const minuteMs = 60_000;
const horizonMs = 5 * minuteMs;
/** A device hears of it so much later at most, each otherwise: moments lie so much further apart. */
const takeSlackMs = 15_000;

export function planIssues(
  state: RolloutState,
  { isClaimed, line = alone }: PlanLimits,
  nowMs: number,
): readonly Issue[] {
  const { herd } = state.plan;
  const lastFetchMs = Math.max(state.nextFetchMs, line.nextFetchMs);
  const lastActivateMs = Math.max(state.nextActivateMs, line.nextActivateMs);
  const fetches = pace(lastFetchMs, herd.fetchesPerMinute, nowMs);
  const activations = pace(lastActivateMs, herd.activationsPerMinute, nowMs);
  // One that is behind and cannot go on, for its sites say, takes from the others' horizon and not from their pace.
  const untilMs = nowMs + horizonMs * (1 - line.behind / line.sharing);
  const rooms = roomBySite(state);
  const issues: Issue[] = [];
  for (const [device, member] of state.members) {
    const { progress, goal, online, site } = member;
    if (isClaimed(device)) continue;
    if (progress.kind === 'reverting') {
      // No bytes move and it must be soon: everybody at once, also who is away, for whom the op waits.
      if (progress.toldMs === undefined) issues.push(immediate(device, 'previous', nowMs));
      continue;
    }
    if ((progress.kind === 'waiting' || progress.kind === 'safe') && goal === 'candidate')
      issues.push(immediate(device, 'previous', nowMs));
    else if (progress.kind === 'succeeded' && goal === 'previous')
      issues.push(immediate(device, 'candidate', nowMs));
    else if (progress.kind === 'waiting' && online && isOpen(state, member)) {
      const room = rooms.get(site) ?? Number.POSITIVE_INFINITY;
      if (room <= 0 || fetches.next() > untilMs) continue;
      const fetchAtMs = fetches.take(nowMs);
      const activateAtMs = activations.take(fetchAtMs);
      rooms.set(site, room - 1);
      issues.push({ device, goal: 'candidate', fetchAtMs, activateAtMs });
    }
  }
  return issues;
}

const immediate = (device: string, goal: Issue['goal'], nowMs: number): Issue => ({
  device,
  goal,
  fetchAtMs: nowMs,
  activateAtMs: nowMs,
});

/** Moments, one after the other, none before `notBeforeMs`. `last` is the latest that was given away, by any rollout. */
function pace(last: number, perMinute: number, nowMs: number) {
  const apartMs = (minuteMs + takeSlackMs) / perMinute;
  let nextMs = Math.max(nowMs, last + apartMs);
  return {
    next: () => nextMs,
    take(notBeforeMs: number): number {
      const atMs = Math.ceil(Math.max(nextMs, notBeforeMs));
      // From the moment itself and not from what it was rounded to, or a fast pace would be slowed by the rounding.
      nextMs = Math.max(nextMs, notBeforeMs) + apartMs;
      return atMs;
    },
  };
}

/** How many of each site may still be put under update; empty without a budget. */
function roomBySite({ plan, members }: RolloutState): Map<string, number> {
  const rooms = new Map<string, number>();
  if (plan.budget === undefined) return rooms;
  for (const { site, progress } of members.values()) {
    const busy = progress.kind === 'issued' || progress.kind === 'under-way' ? 1 : 0;
    rooms.set(site, (rooms.get(site) ?? -plan.budget.minAvailable) + 1 - busy);
  }
  return rooms;
}
