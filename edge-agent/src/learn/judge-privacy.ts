// What a device insists on before anything of its examples leaves it, whatever a plan says. Pure.

import { err, failure, ok, type Result } from '@skerry/shared';
import { chargeLocalNoise, type LocalBudget } from '@skerry/shared/privacy';
import type { LearnTask } from '@skerry/sync-protocol/learn';
import type { TaskPlan } from './prepare-task.ts';
import type { Answered } from './round-store.ts';

export interface PrivacyTerms {
  /** `masked`: updates leave only where the sum of several is all that anybody sees. */
  readonly updates: 'any' | 'masked';
  /** Of updates with local noise, over all runs of a model. */
  readonly budget: LocalBudget;
  /** Of which labels the examples are. `masked`: a query is answered where a sum is all that anybody sees. */
  readonly labels: 'told' | 'masked';
}

/**
 * What is spent once this task is answered with an update; undefined where it costs nothing. Fails with `permission_denied`
 * or `budget_spent`.
 */
export function judgePrivacy(
  { work }: LearnTask,
  plan: TaskPlan | undefined,
  { updates, labels, budget }: PrivacyTerms,
  spent: (model: string) => number,
): Result<Answered['spent']> {
  if (plan !== undefined && 'question' in plan) {
    const isMaskedOnly = updates === 'masked' || labels === 'masked';
    return isMaskedOnly && plan.secure === undefined
      ? err(failure('permission_denied', 'this device answers masked queries alone'))
      : ok(undefined);
  }
  if (work.type !== 'train' || plan === undefined) return ok(undefined);
  if (updates === 'masked' && work.secure === undefined)
    return err(failure('permission_denied', 'this device sends masked updates alone'));
  if (plan.localNoise === undefined) return ok(undefined);
  const { model, localNoise } = plan;
  const charged = chargeLocalNoise(spent(model), localNoise, budget);
  return charged.ok ? ok({ model, rho: charged.value }) : charged;
}
