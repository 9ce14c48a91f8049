// Personal tensors: parts of the layout, such as the head, that each device has of its own and that never leave it (Arivazhagan et
// al., arXiv 1912.00818). Clients send zeros there. Whoever sends anything else is left out, and whatever a strategy or its noise
// would do to them, the model keeps there what it began with: what a new device starts from.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type ParameterLayout, tensorsOf } from '@skerry/sync-protocol/learn';
import type { ClientUpdate, Strategy } from './strategy.ts';

/** Fails with `invalid_argument` for a name that is none of the layout's. */
export function keepPersonal(
  strategy: Strategy,
  layout: ParameterLayout,
  names: readonly string[],
): Result<Strategy> {
  const strange = names.find((name) => !layout.tensors.some((tensor) => tensor.name === name));
  if (strange !== undefined)
    return err(failure('invalid_argument', `no tensor is named '${strange}'`));
  if (names.length === 0) return ok(strategy);
  const personalOf = (vector: Float32Array): readonly Float32Array[] => {
    const tensors = tensorsOf(layout, vector);
    return tensors.ok ? names.flatMap((name) => tensors.value.get(name) ?? []) : [];
  };
  const isZero = (vector: Float32Array | undefined): boolean =>
    vector === undefined || personalOf(vector).every((part) => part.every((value) => value === 0));
  const keeps = ({ delta, control }: ClientUpdate): boolean => isZero(delta) && isZero(control);
  const personal = [...names];
  return ok({
    ...strategy,
    configureTrain: (state) => ({ ...strategy.configureTrain(state), personal }),
    configureEvaluate: (state) => ({ ...strategy.configureEvaluate(state), personal }),
    whyLeftOut: (update, size) =>
      keeps(update) ? strategy.whyLeftOut(update, size) : 'personal-told',
    aggregateTrain(state, updates) {
      const told = updates.filter((update) => !keeps(update));
      const aggregated = strategy.aggregateTrain(state, updates.filter(keeps));
      if (!aggregated.ok) return aggregated;
      const { report, state: next } = aggregated.value;
      const parameters = next.parameters.slice();
      const before = personalOf(state.parameters);
      for (const [i, part] of personalOf(parameters).entries()) part.set(before[i] ?? []);
      const leftOut = told.map(({ client }) => ({
        client,
        used: false,
        reason: 'personal-told' as const,
      }));
      return ok({
        state: { ...next, parameters },
        report: { ...report, clients: [...report.clients, ...leftOut] },
      });
    },
  });
}
