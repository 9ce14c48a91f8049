#!/usr/bin/env node
// npm run kill-matrix [-- --every N]: the table of all moments at which a device was killed, and of all faults.
// npm run kill-matrix -- --learn [--only masked]: of all commits at which the coordinator of a learning run was killed.

import { parseArgs } from 'node:util';
import { showLearnKills } from './learning/show-learn-kills.ts';
import { type Row, runFault, runKills } from './run-matrix.ts';
import { faults, killed } from './scenarios.ts';
import { signedFaults } from './signed-faults.ts';

const { values } = parseArgs({
  options: {
    every: { type: 'string', default: '1' },
    learn: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
const every = Math.max(1, Number.parseInt(values.every, 10) || 1);
const write = (text: string): void => void process.stdout.write(text);
const isWell = values.learn ? await showLearnKills(every, values.only, write) : await showUpdates();
process.exitCode = isWell ? 0 : 1;

async function showUpdates(): Promise<boolean> {
  const rows: Row[] = [];
  write(line('scenario', 'killed at', 'worlds', 'deaths', 'no model', 'unsigned', 'ends'));
  const show = (row: Row): void => {
    rows.push(row);
    const { scenario, point, worlds, deaths, withoutModel, unsigned, failures: why } = row;
    const ends = why.length === 0 ? 'well' : `${why.length} not`;
    const counts = [worlds, deaths, withoutModel, unsigned].map(String);
    write(line(scenario, point, ...counts, ends));
  };
  for (const scenario of killed) for (const row of await runKills(scenario, every)) show(row);
  for (const scenario of [...faults, ...signedFaults]) show(await runFault(scenario));

  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const failures = rows.flatMap(({ scenario, point, failures: why }) =>
    why.map((reason) => `${scenario}, ${point}: ${reason}`),
  );
  write(
    `\n${sum(({ worlds }) => worlds)} worlds, killed ${sum(({ deaths }) => deaths)} times: ` +
      `${sum(({ withoutModel }) => withoutModel)} times without a working model, ` +
      `${sum(({ unsigned }) => unsigned)} unsigned answers, ${failures.length} that did not end as they must\n`,
  );
  for (const failure of failures) write(`  ${failure}\n`);
  return failures.length === 0 && sum((row) => row.withoutModel + row.unsigned) === 0;
}

function line(...cells: readonly string[]): string {
  const widths = [10, 52, 7, 7, 9, 9, 6];
  return `${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' ')}\n`;
}
