// Which runs' logs may go: those whose model is in the registry, and those that never made one, as queries. What a run has learned and
// nobody has published, and what a private one has spent, is written nowhere else.

import { type Ended, planRemoval, type Retention } from '../../event-log/retention.ts';
import { isActive, type RunState } from './run-state.ts';

/** The names. `all` in the order in which they began. */
export function planRunRetirement(
  all: readonly RunState[],
  retention: Retention,
  nowMs: number,
): readonly string[] {
  const carried = new Set(all.filter(isCarried).map(({ plan }) => plan.id));
  return planRemoval(all.flatMap(endOf), (name) => carried.has(name), retention, nowMs);
}

const isCarried = ({ plan, round, candidate, query }: RunState): boolean =>
  plan.privacy === undefined && (candidate !== undefined || query !== undefined || round === 0);

const endOf = ({ plan, phase }: RunState): readonly Ended[] =>
  isActive(phase) ? [] : [{ name: plan.id, endedMs: phase.sinceMs }];
