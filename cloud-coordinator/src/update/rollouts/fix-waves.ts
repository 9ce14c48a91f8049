// Who is in which wave. Fixed when a rollout is created, as marks on the line of stable shares: so a device that comes
// later knows its wave without anybody's list, and nobody changes it by coming or going.

import { stableShare } from '@skerry/sync-protocol/update';
import { type Selectable, type Selection, selects } from '../../fleet/selection.ts';
import type { Wave } from './rollout-event.ts';
import { type RolloutPlan, wavesMax } from './rollout-plan.ts';

interface Placed {
  readonly device: Selectable;
  readonly share: number;
}

/** 0.1 of 30 are 3 devices, though the product is a little more. */
const roundingMax = 1e-9;

export function fixWaves(plan: RolloutPlan, devices: readonly Selectable[]): readonly Wave[] {
  let left: readonly Placed[] = devices
    .filter((device) => selects(plan.select, device))
    .map((device) => ({ device, share: stableShare(plan.id, device.device) }))
    .sort((a, b) => a.share - b.share);
  const all = left;
  const waves: Wave[] = [];
  const take = (where: Selection, wanted: number, approval: boolean): void => {
    const pool = left.filter(({ device }) => selects(where, device));
    const size = Math.min(wanted, pool.length);
    const below = pool[size]?.share ?? 1;
    waves.push({ where, below, approval, size });
    left = left.filter(({ device, share }) => !(selects(where, device) && share < below));
  };
  for (const { reach, share, count, where = {}, approval = false } of plan.waves) {
    const selected = all.filter(({ device }) => selects(where, device)).length;
    if (reach !== undefined) {
      const taken = selected - left.filter(({ device }) => selects(where, device)).length;
      const wanted = Math.ceil(reach * selected - roundingMax) - taken;
      // A wave that somebody must approve, or that selects nobody at all, is not left out unseen.
      if (wanted > 0 || approval || selected === 0) take(where, Math.max(0, wanted), approval);
      continue;
    }
    const byShare = share === undefined ? Number.POSITIVE_INFINITY : Math.ceil(share * selected);
    take(where, Math.min(byShare, count ?? Number.POSITIVE_INFINITY), approval);
  }
  let size = waves.at(-1)?.size ?? 0;
  while (left.length > 0) {
    size = Math.ceil(size * (plan.growth ?? Number.POSITIVE_INFINITY));
    const isLast = waves.length >= wavesMax - 1 || !(size < left.length);
    take({}, isLast ? Number.POSITIVE_INFINITY : size, false);
  }
  return waves;
}

/** Whom no wave names belongs to the last. */
export function waveOf(rollout: string, waves: readonly Wave[], device: Selectable): number {
  const share = stableShare(rollout, device.device);
  const found = waves.findIndex(({ where, below }) => share < below && selects(where, device));
  return found === -1 ? waves.length - 1 : found;
}
