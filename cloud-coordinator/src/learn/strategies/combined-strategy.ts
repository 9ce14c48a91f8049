// Most strategies are two choices: a rule that makes one update of many, and what the server does with it. Admission, the
// step, the check that the model stays finite and the report are the same for all.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type Admission, type Admitted, admitUpdates, whyNotAdmitted } from './admit-updates.ts';
import { aggregateEvaluate, weightedMetrics } from './aggregate-evaluate.ts';
import type { ServerOptimizer } from './server-optimizers.ts';
import type {
  AggregateReport,
  ClientShare,
  ClientUpdate,
  Slots,
  Strategy,
  StrategyState,
  StrategyTraits,
  TrainConfig,
} from './strategy.ts';
import { isFiniteVector, norm } from './vectors.ts';

/** What a rule has made of the updates, which came in the order of client ids. */
export interface Combined {
  readonly delta: Float64Array<ArrayBuffer>;
  /** One for each update. */
  readonly shares: readonly ClientShare[];
  /** The rule's own, anew. */
  readonly slots?: Slots;
}

export interface Rule {
  readonly admission: Omit<Admission, 'size'>;
  readonly traits: StrategyTraits;
  initialize?(size: number): Slots;
  configure?(slots: Slots): Partial<TrainConfig>;
  /** `updates` are `clientsMin` or more, each of the parameters' length and finite. */
  combine(updates: readonly ClientUpdate[], slots: Slots): Result<Combined>;
}

/** Rule and optimizer keep their slots apart. */
const optimizerSlots = ['momentum', 'secondMoment'] as const;

export function combinedStrategy(name: string, rule: Rule, optimizer: ServerOptimizer): Strategy {
  const { clientsMin } = rule.traits;
  return {
    name,
    traits: rule.traits,
    initialize: (parameters) => ({
      parameters: Float32Array.from(parameters),
      round: 0,
      slots: {
        ...rule.initialize?.(parameters.length),
        ...optimizer.initialize(parameters.length),
      },
    }),
    configureTrain: ({ slots }) => ({
      proximalMu: 0,
      personal: [],
      ...rule.configure?.(slots),
    }),
    whyLeftOut: (update, size) => whyNotAdmitted(update, { ...rule.admission, size }),
    aggregateTrain(state, all) {
      const size = state.parameters.length;
      const admitted = admitUpdates(all, { ...rule.admission, size });
      const { updates } = admitted;
      if (updates.length < clientsMin) return err(tooFew(name, clientsMin, admitted));
      const combined = rule.combine(updates, state.slots);
      if (!combined.ok) return combined;
      const { delta, shares, slots: ruleSlots } = combined.value;
      const { step, slots: stepped } = optimizer.apply(delta, state.slots, state.round + 1);
      const kept = Object.entries(state.slots).filter(
        ([slot]) => !optimizerSlots.some((known) => known === slot),
      );
      const slots = { ...(ruleSlots ?? Object.fromEntries(kept)), ...stepped };
      return finish(name, state, { step, slots, delta, shares, updates, admitted });
    },
    configureEvaluate: () => ({ personal: [] }),
    aggregateEvaluate: (results) => aggregateEvaluate(results),
  };
}

export const tooFew = (name: string, clientsMin: number, { updates, leftOut }: Admitted) => {
  const reasons = leftOut.map(({ client, reason }) => `${client}: ${reason}`).slice(0, 8);
  const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`;
  return failure(
    'unavailable',
    `${name} needs ${clientsMin} updates; ${updates.length} can be used${why}`,
  );
};

interface Finished {
  readonly step: Float64Array<ArrayBuffer>;
  readonly slots: Slots;
  readonly delta: Float64Array<ArrayBuffer>;
  readonly shares: readonly ClientShare[];
  readonly updates: readonly ClientUpdate[];
  readonly admitted: Admitted;
}

/** The next state, unless a number in it is none. */
export function finish(
  name: string,
  { parameters: before, round }: StrategyState,
  { step, slots, delta, shares, updates, admitted }: Finished,
): Result<{ state: StrategyState; report: AggregateReport }> {
  const parameters = before.map((value, i) => value + (step[i] as number));
  const holds = isFiniteVector(parameters) && Object.values(slots).every(isFiniteVector);
  if (!holds)
    return err(failure('runtime_failed', `${name}: the model of round ${round + 1} is not finite`));
  const used = updates.filter((_, i) => shares[i]?.used);
  return ok({
    state: { parameters, round: round + 1, slots },
    report: {
      strategy: name,
      round: round + 1,
      changed: true,
      clients: [...shares, ...notUsed(admitted)],
      examples: used.reduce((sum, { examples }) => sum + examples, 0),
      deltaNorm: norm(delta),
      stepNorm: norm(step),
      metrics: weightedMetrics(used),
    },
  });
}

export const notUsed = ({ leftOut }: Admitted): readonly ClientShare[] =>
  leftOut.map(({ client, reason }) => ({ client, used: false, reason }));
