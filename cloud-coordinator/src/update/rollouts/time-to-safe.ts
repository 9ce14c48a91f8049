// How long a rollback took: from the order to the moment at which each device was heard on another bundle.

import type { RolloutState } from './rollout-state.ts';

export interface TimeToSafe {
  readonly turned: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The last of those that could be heard. */
  readonly lastMs: number;
  /** Away, or told and not answered: they are turned when they come. By name. */
  readonly owed: readonly string[];
}

/** `undefined` where nothing is rolled back. Of who came back later, the time since the order, too. */
export function timeToSafe({ phase, members }: RolloutState): TimeToSafe | undefined {
  if (phase.kind !== 'rolling-back' && phase.kind !== 'rolled-back') return undefined;
  const took: number[] = [];
  const owed: string[] = [];
  for (const [device, { progress }] of members) {
    if (progress.kind === 'safe') took.push(progress.atMs - phase.sinceMs);
    if (progress.kind === 'reverting') owed.push(device);
  }
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.ceil(share * took.length) - 1] ?? 0;
  const doneMs = phase.kind === 'rolled-back' ? phase.doneMs - phase.sinceMs : undefined;
  return {
    turned: took.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    lastMs: doneMs ?? at(1),
    owed: owed.sort(),
  };
}
