// The plan of a run's masked rounds, and why there could be none. Pure: devices are told the same as long as the run lasts.

import { ok, type Result } from '@skerry/shared';
import { layoutSize } from '@skerry/sync-protocol/learn';
import type { SecurePlan } from '@skerry/sync-protocol/secure-aggregation';
import { countingPlanOf, noisedPlanOf, securePlanOf } from '../masking/index.ts';
import { distributedMechanismOf, type Mechanism, mechanismOf } from '../privacy/index.ts';
import type { StrategyTraits } from '../strategies/index.ts';
import type { RunPlan } from './run-plan.ts';
import type { RunState } from './run-state.ts';

/** Fails with `invalid_argument` where the run cannot be masked so. */
export function securePlanFor(
  { masking, clients, work, query, privacy }: RunPlan,
  learn: RunState['learn'],
): Result<SecurePlan | undefined> {
  if (masking === undefined) return ok(undefined);
  const values = layoutSize(learn.layout);
  const of = { clientsMax: clients.target, values, examplesMax: learn.examplesMax };
  // Of a query a sum of fewer is not told, so it is not opened.
  const opened = query === undefined ? masking : { ...masking, thresholdMin: clients.min };
  if (privacy?.distributed !== undefined) return noisedPlanOf(opened, privacy.distributed, of);
  return query === undefined
    ? securePlanOf(masking, { ...of, clipNorm: work.clipNorm })
    : countingPlanOf(opened, of);
}

/** What a round of a private run costs; `undefined` of one that is not private. Fails as `securePlanFor`. */
export function mechanismFor(
  plan: RunPlan,
  learn: RunState['learn'],
): Result<Mechanism | undefined> {
  const { privacy } = plan;
  if (privacy?.central !== undefined) return ok(mechanismOf(privacy.central));
  const secure = securePlanFor(plan, learn);
  if (!secure.ok) return secure;
  return ok(
    secure.value?.encoding.kind === 'noised'
      ? distributedMechanismOf(secure.value.encoding, secure.value.values)
      : undefined,
  );
}

/** Why the run could never be masked. */
export function obstaclesToMasking(
  canMask: boolean,
  plan: RunPlan,
  learn: RunState['learn'],
  { takesSums }: StrategyTraits,
): readonly string[] {
  const { clients, work, sampling, strategy, masking, privacy } = plan;
  if (masking === undefined)
    return privacy?.distributed === undefined ? [] : ['noise of devices is for masked runs'];
  const obstacles: string[] = [];
  if (!canMask) obstacles.push('nothing is masked here: devices have no certificates');
  if (!takesSums) obstacles.push(`${strategy.name} looks at single updates, which nobody has`);
  if (privacy?.central !== undefined)
    obstacles.push('central privacy clips single updates, which nobody has');
  if (privacy?.distributed !== undefined && masking.range !== undefined)
    obstacles.push('with noise an update is clipped as a whole: masking has no range');
  if (work.compression.kind !== 'none') obstacles.push('a masked update is compressed by its ring');
  if (work.localNoise !== undefined) obstacles.push('a masked update with noise of its own');
  if (sampling.kind === 'poisson') obstacles.push('a masked round has a number of clients');
  if (clients.min < masking.thresholdMin)
    obstacles.push(`a round may begin with ${clients.min}, a sum needs ${masking.thresholdMin}`);
  const secure = securePlanFor(plan, learn);
  if (!secure.ok) obstacles.push(secure.error.message);
  return obstacles;
}
