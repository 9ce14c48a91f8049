// A short form of `npm run kill-matrix`: one moment of a few in each scenario, and every fault.

import { expect, it } from 'vitest';
import { runFault, runKills } from './run-matrix.ts';
import { faults, killed } from './scenarios.ts';
import { signedFaults } from './signed-faults.ts';

const good = { withoutModel: 0, unsigned: 0, failures: [] };

it.each(killed)(
  '$name, killed: a model answers, and it ends as it must',
  { timeout: 60_000 },
  async (scenario) => {
    const rows = await runKills(scenario, 7);
    expect(rows.length).toBeGreaterThan(1);
    for (const row of rows) expect(row, row.point).toMatchObject(good);
  },
);

it.each([...faults, ...signedFaults])(
  '$name: a model answers, and it ends as it must',
  async (scenario) => {
    expect(await runFault(scenario)).toMatchObject(good);
  },
);
