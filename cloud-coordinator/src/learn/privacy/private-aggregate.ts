// One round of a strategy with central differential privacy: what the strategy is given is one update, the private mean, and so
// all that it does with it, momentum and steps and all, costs nothing more. Nothing of single clients is left in its report.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { RandomBytes } from '@skerry/shared/privacy';
import { admitUpdates } from '../strategies/admit-updates.ts';
import { notUsed } from '../strategies/combined-strategy.ts';
import type { Aggregated, ClientUpdate, Strategy, StrategyState } from '../strategies/strategy.ts';
import { type CentralPrivacy, privateMean } from './central-privacy.ts';

export interface PrivatelyAggregated extends Aggregated {
  /** For the round that follows. */
  readonly clip: number;
  /** Of each value of the mean. */
  readonly noiseSigma: number;
}

/** Whether a strategy can be given a mean in the place of clients' updates. */
export function checkPrivateStrategy({ name, traits }: Strategy): Result<void> {
  const { takesSums, asynchronous, needsControl, needsStartLoss } = traits;
  if (takesSums && !asynchronous && !needsControl && !needsStartLoss) return ok(undefined);
  return err(
    failure('invalid_argument', `${name} looks at more of a client than a private mean has`),
  );
}

/**
 * The round must have been committed. Updates that cannot be added are left out, as if they had not come; a round of none has
 * noise all the same.
 */
export function aggregatePrivately(
  strategy: Strategy,
  state: StrategyState,
  round: {
    readonly privacy: CentralPrivacy;
    readonly clip: number;
    readonly updates: readonly ClientUpdate[];
  },
  bytes: RandomBytes,
): Result<PrivatelyAggregated> {
  const fits = checkPrivateStrategy(strategy);
  if (!fits.ok) return fits;
  const size = state.parameters.length;
  // How much of the work was done, and on how many examples, is not looked at: a client moves the sum by its clip at most.
  const uncounted = round.updates.map((update) => ({ ...update, examples: 1 }));
  const admitted = admitUpdates(uncounted, { size, partialWork: 'keep' });
  const noised = privateMean(
    round.privacy,
    { clip: round.clip, size, updates: admitted.updates },
    bytes,
  );
  if (!noised.ok) return noised;
  const { mean, clip, noiseSigma } = noised.value;
  const aggregated = strategy.aggregateTrain(state, [asUpdate(mean)]);
  if (!aggregated.ok) return aggregated;
  const report = { ...aggregated.value.report, clients: notUsed(admitted), examples: 0 };
  return ok({ state: aggregated.value.state, report, clip, noiseSigma });
}

const asUpdate = (mean: Float64Array): ClientUpdate => ({
  client: 'private-mean',
  examples: 1,
  delta: Float32Array.from(mean),
  metrics: {},
  completed: 1,
  steps: 1,
  staleness: 0,
});
