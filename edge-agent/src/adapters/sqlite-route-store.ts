// What routing remembers over a restart, in the device's database: how full the budgets are.

import type { BudgetName, BudgetStore } from '../route/budgets.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

export function createSqliteRouteStore(database: SqliteDatabase): BudgetStore {
  const load = database.prepare<[], { name: BudgetName; tokens: number; at_ms: number }>(
    'SELECT * FROM budget',
  );
  const save = database.prepare<[BudgetName, number, number]>(
    'INSERT OR REPLACE INTO budget (name, tokens, at_ms) VALUES (?, ?, ?)',
  );
  return {
    load: () =>
      new Map(load.all().map(({ name, tokens, at_ms }) => [name, { tokens, atMs: at_ms }])),
    save: (name, { tokens, atMs }) => void save.run(name, tokens, atMs),
  };
}
