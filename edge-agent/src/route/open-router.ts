// The router as the configuration wants it.

import type { AgentConfig } from '../config.ts';
import { type BudgetStore, createBudgets } from './budgets.ts';
import { createRouter, type Router, type RouterPorts } from './router.ts';

export type RoutingPorts = Omit<RouterPorts, 'budgets'> & { readonly store: BudgetStore };

export function openRouter(config: AgentConfig, { store, ...ports }: RoutingPorts): Router {
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
    store,
  );
  return createRouter({ ...ports, budgets }, config);
}
