// Which rollouts' logs may go: those of which nothing is in force any more, nor would be if the latest were undone. What
// each device was told lies with the device, and what nobody may run in the fleet's own log.

import { isDeepStrictEqual } from 'node:util';
import { type Ended, planRemoval, type Retention } from '../../event-log/retention.ts';
import type { Selection } from '../../fleet/selection.ts';
import type { FleetDevice } from './ports.ts';
import type { RolloutState } from './rollout-state.ts';

/** So many later completed ones speak for all of its devices: as many may be rolled back before it would count again. */
export const successorsMin = 8;

/** The names. `all` in the order in which they began. */
export function planRetirement(
  all: readonly RolloutState[],
  devices: readonly FleetDevice[],
  retention: Retention,
  nowMs: number,
): readonly string[] {
  const known = new Set(devices.map(({ device }) => device));
  const byName = new Map(all.map((state) => [state.plan.id, state]));
  const isCarried = (name: string): boolean => {
    const state = byName.get(name);
    return state !== undefined && hasSuccessors(state, all, known);
  };
  return planRemoval(all.flatMap(endOf), isCarried, retention, nowMs);
}

function endOf({ plan, phase }: RolloutState): readonly Ended[] {
  switch (phase.kind) {
    case 'completed':
    case 'aborted':
      return [{ name: plan.id, endedMs: phase.sinceMs }];
    case 'rolled-back':
      return [{ name: plan.id, endedMs: phase.doneMs }];
    default:
      return [];
  }
}

function hasSuccessors(
  state: RolloutState,
  all: readonly RolloutState[],
  known: ReadonlySet<string>,
): boolean {
  const laterOnes = all.slice(all.indexOf(state) + 1).reverse();
  let successors = 0;
  for (const { plan, phase, members } of laterOnes) {
    if (plan.model !== state.plan.model || phase.kind !== 'completed') continue;
    if (!covers(plan.select, state.plan.select)) continue;
    // The newest speak for most: where one of them does not, none further back is looked at.
    if (!holdsAllOf(members, state, known)) return false;
    successors++;
    if (successors >= successorsMin) return true;
  }
  return false;
}

/** Whoever the inner one would ever take is the outer one's too. */
function covers(outer: Selection, inner: Selection): boolean {
  const keys = ['labels', 'targets', 'sites', 'devices'] as const;
  return keys.every((key) => outer[key] === undefined || isDeepStrictEqual(outer[key], inner[key]));
}

function holdsAllOf(
  later: RolloutState['members'],
  { members }: RolloutState,
  known: ReadonlySet<string>,
): boolean {
  for (const [device, { progress }] of members) {
    if (later.has(device)) continue;
    // Who left the fleet before asks for nothing, unless it still holds what it is to give back.
    if (known.has(device) || progress.kind === 'reverting') return false;
  }
  return true;
}
