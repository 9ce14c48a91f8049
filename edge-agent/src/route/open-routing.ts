// Routing as the configuration wants it: a router for classifiers and one for texts, whose answers take other times and
// fail for other reasons, over the same budgets; and what is known of look-alikes.

import type { AgentConfig } from '../config.ts';
import { type BudgetStore, createBudgets } from './budgets.ts';
import { createLookAlikes, type LearnedStore, type LookAlikes } from './look-alikes.ts';
import { createRouter, type Router, type RouterPorts } from './router.ts';

export type RoutingPorts = Omit<RouterPorts, 'budgets'> & {
  readonly store: { readonly budgets: BudgetStore; readonly learned: LearnedStore };
};

export interface Routing {
  readonly router: Router;
  readonly textRouter: Router;
  readonly lookAlikes: LookAlikes;
}

/** @param variants those that run here; what was learned of others is forgotten */
export function openRouting(
  config: AgentConfig,
  variants: Iterable<string>,
  { store, ...ports }: RoutingPorts,
): Routing {
  const budgets = createBudgets(
    {
      perHour: {
        requests: config.escalationsPerHour,
        bytes: config.escalationBytesPerHour,
        money: config.moneyPerHour,
        energy: config.millijoulesPerHour,
      },
      cost: { money: config.moneyPerEscalation, energy: config.millijoulesPerEscalation },
    },
    store.budgets,
  );
  return {
    router: createRouter({ ...ports, budgets }, config),
    // A text is not checked by the cloud's: two answers to one question are never the same.
    textRouter: createRouter({ ...ports, budgets }, { ...config, auditShare: 0 }),
    lookAlikes: createLookAlikes(
      {
        cache: config.answerCache,
        similarityMin: config.similarityMin,
        ttlMs: config.cacheTtlMs,
        entriesMax: config.cacheEntriesMax,
        cooldownMs: config.lookAlikeCooldownMs,
      },
      store.learned,
      new Set(variants),
      ports.clock.nowMs(),
    ),
  };
}
