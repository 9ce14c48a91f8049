// `npm run bench`: what Skerry costs, as ratios against a baseline measured in the same run: fresh processes, in
// alternating order, medians over the rounds. `--quick` is a smoke run whose figures mean little.

import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { documentSection } from './document-section.ts';
import { measure } from './measure.ts';
import { type Bench, cloudSections, type Effort, inferSection, loopSection } from './sections.ts';
import { prepareWorkload } from './workload.ts';

const thorough: Effort = {
  rounds: 5,
  digitsRequests: 2_000,
  model5msRequests: 200,
  model200msRuns: 4,
  cutOffRequests: 2_000,
  escalationImages: 10_000,
  documentChanges: 10_000,
};
const quick: Effort = {
  rounds: 1,
  digitsRequests: 300,
  model5msRequests: 40,
  model200msRuns: 2,
  cutOffRequests: 600,
  escalationImages: 1_000,
  documentChanges: 400,
};

const write = (text: string): void => void process.stdout.write(text);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
  const effort = values.quick ? quick : thorough;
  const startedMs = performance.now();
  const onCase = (name: string): void => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    process.stderr.write(`${String(seconds).padStart(4)} s  ${name}\n`);
  };
  onCase('preparing models and images');
  const workload = await prepareWorkload();
  try {
    const bench: Bench = {
      workload,
      effort,
      measure: (name, options) => measure(name, options, abort.signal),
      onCase,
    };
    const { arch, platform, version } = process;
    const load = loadavg()[0]?.toFixed(1);
    write(
      `Skerry bench: ${cpus().length} cores, ${cpus()[0]?.model}, ${platform} ${arch}, Node ${version}, load ${load}\n` +
        `Medians of ${effort.rounds} rounds, in alternating order, fresh processes; a ratio compares within its round.\n`,
    );
    for (const section of [inferSection, loopSection, cloudSections, documentSection])
      write(`\n${await section(bench)}\n`);
  } finally {
    await workload.close();
  }
}

process.exitCode = await main().then(
  () => 0,
  (thrown: unknown) => {
    process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
    return 1;
  },
);
