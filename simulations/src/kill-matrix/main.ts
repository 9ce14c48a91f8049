#!/usr/bin/env node
// npm run kill-matrix [-- --every N]: the table of all moments at which a device was killed, and of all faults.

import { parseArgs } from 'node:util';
import { type Row, runFault, runKills } from './run-matrix.ts';
import { faults, killed } from './scenarios.ts';
import { signedFaults } from './signed-faults.ts';

const { values } = parseArgs({ options: { every: { type: 'string', default: '1' } } });
const every = Math.max(1, Number.parseInt(values.every, 10) || 1);
const rows: Row[] = [];

for (const scenario of killed) for (const row of await runKills(scenario, every)) show(row);
for (const scenario of [...faults, ...signedFaults]) show(await runFault(scenario));

const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
const failures = rows.flatMap(({ scenario, point, failures: why }) =>
  why.map((reason) => `${scenario}, ${point}: ${reason}`),
);
process.stdout.write(
  `\n${sum(({ worlds }) => worlds)} worlds, killed ${sum(({ deaths }) => deaths)} times: ` +
    `${sum(({ withoutModel }) => withoutModel)} times without a working model, ` +
    `${sum(({ unsigned }) => unsigned)} unsigned answers, ${failures.length} that did not end as they must\n`,
);
for (const line of failures) process.stdout.write(`  ${line}\n`);
const isBad = failures.length > 0 || sum((row) => row.withoutModel + row.unsigned) > 0;
process.exitCode = isBad ? 1 : 0;

function show(row: Row): void {
  if (rows.length === 0)
    process.stdout.write(
      line('scenario', 'killed at', 'worlds', 'deaths', 'no model', 'unsigned', 'ends'),
    );
  rows.push(row);
  const { scenario, point, worlds, deaths, withoutModel, unsigned, failures: why } = row;
  const ends = why.length === 0 ? 'well' : `${why.length} not`;
  process.stdout.write(
    line(
      scenario,
      point,
      String(worlds),
      String(deaths),
      String(withoutModel),
      String(unsigned),
      ends,
    ),
  );
}

function line(...cells: readonly string[]): string {
  const widths = [10, 52, 7, 7, 9, 9, 6];
  return `${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' ')}\n`;
}
