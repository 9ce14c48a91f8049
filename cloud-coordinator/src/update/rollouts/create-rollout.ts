// Begins a rollout, after everything that speaks against it. Several coordinators may be asked at once: whoever claims the
// model in the fleet's log first begins, and the others find it busy.

import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import { checkFeasibility } from './check-feasibility.ts';
import { checkFree } from './claims-over.ts';
import { fixWaves } from './fix-waves.ts';
import { joinedFrom } from './observe-fleet.ts';
import type { BundleDirectory, DeviceDirectory, FleetDevice } from './ports.ts';
import { fleetLogName, type RolloutBook } from './rollout-book.ts';
import type { RolloutPlan } from './rollout-plan.ts';
import { begin, type RolloutState } from './rollout-state.ts';

export interface CreatePorts {
  readonly bundles: BundleDirectory;
  readonly devices: DeviceDirectory;
  readonly clock: Clock;
}

const devicesPerPage = 1_000;
/** How often it looks anew because another has written the fleet's log. */
const claimTriesMax = 5;

/** Fails with `invalid_argument` and every obstacle where it could never end. */
export async function createRollout(
  { bundles, devices, clock }: CreatePorts,
  book: RolloutBook,
  plan: RolloutPlan,
  by: string,
): Promise<Result<RolloutState>> {
  if (plan.id === fleetLogName)
    return err(failure('invalid_argument', `${fleetLogName} is the name of the fleet’s own log`));
  const free = await refreshFree(book, plan, clock);
  if (!free.ok) return free;
  const resolved = await bundles.resolve(plan.model, plan.version);
  if (!resolved.ok) return resolved;
  const { fits, ...candidate } = resolved.value;
  const { digest } = candidate.bundle;
  if (plan.bundle !== undefined && plan.bundle !== digest)
    return err(failure('digest_mismatch', `${plan.version} is ${digest}, not ${plan.bundle}`));
  const why = book.fleet().quarantined.get(digest);
  if (why !== undefined)
    return err(failure('invalid_argument', `${digest} is quarantined: ${why}`));
  const known = await listAll(devices);
  if (!known.ok) return known;
  const waves = fixWaves(plan, known.value);
  const obstacles = checkFeasibility(plan, waves, known.value, resolved.value);
  if (obstacles.length > 0)
    return err(failure('invalid_argument', obstacles.map(({ message }) => message).join('; ')));
  const claimed = await claimModel(book, plan, by, clock);
  if (!claimed.ok) return claimed;
  const atMs = clock.nowMs();
  const created = { kind: 'created' as const, atMs, by, plan, candidate, waves: [...waves] };
  return book.begin(plan.id, [created, ...joinedFrom(begin(created), known.value, atMs)]);
}

async function refreshFree(
  book: RolloutBook,
  plan: RolloutPlan,
  clock: Clock,
): Promise<Result<void>> {
  const refreshed = await book.refresh();
  return refreshed.ok ? checkFree(plan, book.states(), book.fleet(), clock.nowMs()) : refreshed;
}

/** What was free when this read the fleet's log is still free when its claim is the next entry. [ROL23] */
async function claimModel(
  book: RolloutBook,
  plan: RolloutPlan,
  by: string,
  clock: Clock,
): Promise<Result<void>> {
  for (let tries = 0; tries < claimTriesMax; tries++) {
    const free = await refreshFree(book, plan, clock);
    if (!free.ok) return free;
    const { model, id: rollout } = plan;
    const claimed = await book.claim({ kind: 'claimed', atMs: clock.nowMs(), by, model, rollout });
    if (!claimed.ok) return claimed;
    if (claimed.value) return ok(undefined);
  }
  return err(failure('unavailable', 'others write the fleet’s log all the time'));
}

export async function listAll(directory: DeviceDirectory): Promise<Result<readonly FleetDevice[]>> {
  const all: FleetDevice[] = [];
  for (;;) {
    const page = await directory.list(devicesPerPage, all.at(-1)?.device);
    if (!page.ok) return page;
    all.push(...page.value);
    if (page.value.length < devicesPerPage) return ok(all);
  }
}
