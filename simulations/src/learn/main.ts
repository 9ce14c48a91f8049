// npm run learn -- --only fedavg|fedopt|byzantine|compression|fedbuff|fedprox|shards|cnn|…|all [--seeds 0,1,2] [--rounds N]
// Measures federated learning on virtual clients and prints each figure beside the published or calibrated one. Results
// are kept: a sweep that was stopped goes on where it was. `--list` says what each section takes.

import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { createProgressBar } from '@skerry/models/training';
import { plotResults } from './plot-results.ts';
import { createResultStore, type ResultStore } from './result-store.ts';
import { runTrial } from './run-trial.ts';
import { renderSection, type Section } from './section.ts';
import { inAll, sections } from './sections.ts';
import type { Trial, TrialResult } from './trial.ts';

const usage = `usage: npm run learn -- --only ${[...Object.keys(sections), 'all'].join('|')} [--seeds 0,1,2] [--rounds N] [--workers 2]
                       [--trial TEXT] [--results .skerry/learn] [--report] [--plots FOLDER] | --list
`;
const write = (text: string): void => void process.stdout.write(text);

interface Command {
  readonly chosen: readonly (readonly [string, Section])[];
  readonly seeds: readonly number[];
  readonly rounds: number | undefined;
  readonly workers: number;
  readonly store: ResultStore;
  /** Run those alone whose name has this in it. */
  readonly trial: string;
  /** Print what there is, run nothing. */
  readonly report: boolean;
  /** Where curves are written as SVG; they are printed too. */
  readonly plots: string | undefined;
}

async function main(): Promise<number> {
  const command = readCommand();
  if (command === 'list') {
    for (const [name, { about }] of Object.entries(sections))
      write(`${name.padEnd(12)} ${about}\n`);
    return 0;
  }
  if (command === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const { chosen, seeds } = command;
  const [cpu] = cpus();
  write(
    `Skerry learn: ${cpus().length} cores, ${cpu?.model}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}; ${command.workers} workers\n`,
  );
  let kept = true;
  for (const [name, section] of chosen) {
    const results = await resultsOf(section, command);
    const rendered = renderSection(section, seeds, results);
    write(`\n${name}: ${section.about}\n${rendered.text}\n${wallClock(results)}\n`);
    if (command.plots !== undefined) write(`\n${await plotResults(results, command.plots)}\n`);
    kept &&= rendered.kept;
  }
  return kept ? 0 : 1;
}

async function resultsOf(section: Section, command: Command) {
  const { seeds, rounds, workers, store } = command;
  const results = new Map<string, Map<number, TrialResult>>();
  // Seed by seed: who stops a sweep has whole columns.
  for (const seed of seeds)
    for (const whole of section.trials) {
      const trial: Trial = rounds === undefined ? whole : { ...whole, rounds };
      let result = await store.find(trial, seed);
      if (result === undefined && !command.report && trial.name.includes(command.trial)) {
        result = await runShown(trial, seed, workers);
        await store.put(result);
      }
      if (result === undefined) continue;
      const bySeed = results.get(trial.name) ?? new Map<number, TrialResult>();
      results.set(trial.name, bySeed.set(seed, result));
    }
  return results;
}

async function runShown(trial: Trial, seed: number, workers: number): Promise<TrialResult> {
  process.stderr.write(`${trial.name}, seed ${seed}\n`);
  const bar = createProgressBar(process.stderr, () => performance.now());
  let best = 0;
  const result = await runTrial(trial, seed, {
    workers,
    onPoint({ round, accuracy, loss }) {
      best = Math.max(best, accuracy);
      const figures = `accuracy ${(100 * accuracy).toFixed(2)} %, best ${(100 * best).toFixed(2)} %, loss ${loss.toFixed(4)}`;
      bar({ done: round, of: trial.rounds, text: `round ${round}  ${figures}` });
    },
  });
  const why = result.diverged === undefined ? '' : `: ${result.diverged}`;
  process.stderr.write(
    `${trial.name}, seed ${seed}: ended after ${result.points.at(-1)?.round ?? 0} rounds${why}\n`,
  );
  return result;
}

/** Times say little without what else the machine did. */
function wallClock(results: ReadonlyMap<string, ReadonlyMap<number, TrialResult>>): string {
  const loads = [...results.values()].flatMap((bySeed) =>
    [...bySeed.values()].flatMap(({ load }) => [...load]),
  );
  if (loads.length === 0) return 'no results yet';
  const [least, most] = [Math.min(...loads), Math.max(...loads)].map((load) => load.toFixed(1));
  return `measured at load ${least} to ${most}`;
}

const options = {
  only: { type: 'string' },
  seeds: { type: 'string', default: '0,1,2' },
  rounds: { type: 'string' },
  workers: { type: 'string', default: '2' },
  trial: { type: 'string', default: '' },
  results: { type: 'string', default: '.skerry/learn' },
  report: { type: 'boolean', default: false },
  plots: { type: 'string' },
  list: { type: 'boolean', default: false },
} as const;

function readCommand(): Command | 'list' | undefined {
  try {
    const { values } = parseArgs({ options });
    if (values.list) return 'list';
    const chosen = sectionsOf(values.only);
    const seeds = values.seeds.split(',').map(Number);
    const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
    const workers = Number(values.workers);
    const counts = [rounds ?? 1, workers];
    const valid =
      chosen.length > 0 &&
      seeds.every((seed) => Number.isInteger(seed) && seed >= 0) &&
      counts.every((count) => Number.isInteger(count) && count >= 1);
    if (!valid) return undefined;
    const store = createResultStore(values.results);
    const { trial, report, plots } = values;
    return { chosen, seeds, rounds, workers, store, trial, report, plots };
  } catch {
    // An unknown flag, or one without its value: the usage says which there are.
    return undefined;
  }
}

function sectionsOf(only: string | undefined): Command['chosen'] {
  const all = Object.entries<Section>(sections);
  return all.filter(([name]) => name === only || (only === 'all' && inAll(name)));
}

process.exitCode = await main().catch((thrown: unknown) => {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
  return 1;
});
