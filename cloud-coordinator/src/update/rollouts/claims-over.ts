// Which of several rollouts of one model has a device in hand: the latest that has told it something and not let go.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type Selectable, selects } from '../../fleet/selection.ts';
import type { FleetState } from './fleet-state.ts';
import type { RolloutPlan } from './rollout-plan.ts';
import type { RolloutState } from './rollout-state.ts';

const inProgress: ReadonlySet<string> = new Set(['awaiting-approval', 'running', 'paused']);

/** Who has claimed a model begins at once, or was killed before. */
const claimMs = 60_000;

/**
 * One at a time moves a model: two would each take the other for a fault. One that turns back moves nobody forward, and
 * what it is owed must not keep the version that mends it away.
 */
export function checkFree(
  plan: RolloutPlan,
  others: readonly RolloutState[],
  { claims }: Pick<FleetState, 'claims'>,
  nowMs: number,
): Result<void> {
  if (others.some((other) => other.plan.id === plan.id))
    return err(failure('invalid_argument', `the name ${plan.id} is taken`));
  const busy = others.find(
    (other) => other.plan.model === plan.model && inProgress.has(other.phase.kind),
  );
  if (busy !== undefined)
    return err(
      failure('invalid_argument', `${busy.plan.id} of ${plan.model} is ${busy.phase.kind}`),
    );
  const claim = claims.get(plan.model);
  if (claim === undefined || claim.rollout === plan.id || nowMs >= claim.atMs + claimMs)
    return ok(undefined);
  // Its log says the rest, once there is one.
  return others.some((other) => other.plan.id === claim.rollout)
    ? ok(undefined)
    : err(failure('invalid_argument', `${claim.rollout} of ${plan.model} is about to begin`));
}

/**
 * Whether later ones of the same model that have completed say what each of its devices runs, and leave it none.
 * `all` in the order in which they began.
 */
export function isSuperseded(
  state: RolloutState,
  all: readonly RolloutState[],
  devices: readonly Selectable[],
): boolean {
  const completed = laterOf(state, all).filter(({ phase }) => phase.kind === 'completed');
  if (completed.length === 0) return false;
  const isTaken = (device: string): boolean => completed.some(({ members }) => members.has(device));
  return (
    [...state.members.keys()].every(isTaken) &&
    devices.every((each) => isTaken(each.device) || !selects(state.plan.select, each))
  );
}

/**
 * Whether a later rollout of the model has this device in hand, or had it last and has completed; the older one then
 * leaves it alone.
 */
export function claimsOver(
  state: RolloutState,
  all: readonly RolloutState[],
): (device: string) => boolean {
  const later = laterOf(state, all);
  return (device) =>
    later.some(({ members, phase }) => {
      const member = members.get(device);
      if (member === undefined) return false;
      const { progress, goal } = member;
      return phase.kind === 'completed' || progress.kind === 'reverting' || goal === 'candidate';
    });
}

function laterOf(state: RolloutState, all: readonly RolloutState[]): readonly RolloutState[] {
  const at = all.findIndex(({ plan }) => plan.id === state.plan.id);
  return all.slice(at + 1).filter(({ plan }) => plan.model === state.plan.model);
}
