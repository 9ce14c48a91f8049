// The curves of a section's trials, on the terminal and as SVG beside their results.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drawLearning, learningSvg, type PlottedRun } from '@skerry/cloud-coordinator/plots';
import type { Results } from './section.ts';
import type { TrialResult } from './trial.ts';

/** Gives what is to be printed. */
export async function plotResults(results: Results, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const runs = [...results.values()].flatMap((bySeed) => [...bySeed.values()].map(runOf));
  for (const run of runs)
    await writeFile(
      join(folder, `${run.name.replaceAll(/[^a-z0-9]+/gi, '-')}.svg`),
      learningSvg(run),
    );
  return runs.map(drawLearning).join('\n\n');
}

export const runOf = ({ trial, seed, points }: TrialResult): PlottedRun => ({
  name: `${trial.name}, seed ${seed}`,
  rounds: points.map(({ round, accuracy, loss, epsilon }) => ({
    round,
    central: { accuracy, loss },
    ...(epsilon === undefined ? {} : { epsilon }),
  })),
});
