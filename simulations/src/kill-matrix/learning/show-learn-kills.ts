// The table of all commits at which the coordinator of a learning run was killed.

import { learnScenarios } from './learn-scenarios.ts';
import { type LearnKillRow, runLearnKills } from './run-learn-kills.ts';

/** Returns whether all ended as they must. @param only a scenario's name */
export async function showLearnKills(
  every: number,
  only: string | undefined,
  write: (text: string) => void,
): Promise<boolean> {
  const rows: LearnKillRow[] = [];
  write(line('run', 'killed', 'worlds', 'deaths', 'weights', 'ends'));
  for (const scenario of learnScenarios)
    if (only === undefined || scenario.name === only)
      for await (const row of runLearnKills(scenario, every)) {
        rows.push(row);
        const { point, worlds, deaths, differing, failures } = row;
        const weights = differing === 0 ? 'same' : `${differing} others`;
        const ends = failures.length === 0 ? 'well' : `${failures.length} not`;
        write(line(scenario.name, point, String(worlds), String(deaths), weights, ends));
      }
  const sum = (of: (row: LearnKillRow) => number): number =>
    rows.reduce((total, row) => total + of(row), 0);
  const failures = rows.flatMap(({ scenario, point, failures: why }) =>
    why.map((reason) => `${scenario}, ${point}: ${reason}`),
  );
  write(
    `\n${sum(({ worlds }) => worlds)} runs, killed ${sum(({ deaths }) => deaths)} times with SIGKILL: ` +
      `${sum(({ differing }) => differing)} with other weights, ${failures.length} that did not end as they must\n`,
  );
  for (const failure of failures) write(`  ${failure}\n`);
  return rows.length > 0 && failures.length === 0 && sum(({ differing }) => differing) === 0;
}

function line(...cells: readonly string[]): string {
  const widths = [9, 52, 7, 7, 9, 6];
  return `${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' ')}\n`;
}
