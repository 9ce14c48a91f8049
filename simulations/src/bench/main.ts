// `npm run bench`: what Skerry costs, as ratios against a baseline measured in the same run: fresh processes, in
// alternating order, medians over the rounds. `--quick` is a smoke run whose figures mean little; `--only SECTION` runs
// one section.

import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { cachesSection } from './caches-section.ts';
import { cascadeSection } from './cascade-section.ts';
import { deltaSection } from './delta-section.ts';
import { digitsSection } from './digits-section.ts';
import { documentSection } from './document-section.ts';
import { faultSection } from './fault-section.ts';
import { fleetSection } from './fleet-section.ts';
import { guaranteeSection } from './guarantee-section.ts';
import { hedgingSection } from './hedging-section.ts';
import { measure } from './measure.ts';
import { noiseSection } from './noise-section.ts';
import { quantizeSection } from './quantize-section.ts';
import { retrievalSection } from './retrieval-section.ts';
import { routingSection } from './routing-section.ts';
import { type Bench, cloudSections, type Effort, inferSection, loopSection } from './sections.ts';
import { secureSection } from './secure-section.ts';
import { servingSection } from './serving-section.ts';
import { vectorsSection } from './vectors-section.ts';
import { prepareWorkload } from './workload.ts';

const thorough: Effort = {
  rounds: 5,
  digitsRequests: 2_000,
  digitsImages: 10_000,
  model5msRequests: 400,
  model200msRuns: 4,
  cutOffRequests: 2_000,
  faults: { skerrySeconds: 5, sednaSeconds: 16 },
  escalationImages: 10_000,
  documentChanges: 10_000,
  deltaModels: ['digits', 'wide'],
  splits: 1_000,
  routingRepeats: 5,
  fleet: {
    devicesFirst: 5_000,
    devicesMost: 20_000,
    idleDevices: [1_000, 6_000],
    intervalMs: 30_000,
    windowMs: 30_000,
    triesMax: 6,
  },
  serving: {
    rounds: 3,
    firstPerSecond: { digits: 400, model5ms: 100 },
    mostPerSecond: 8_000,
    windowMs: 1_500,
    triesMax: 8,
  },
  secure: {
    cases: [
      { values: 100_000, clients: 10 },
      { values: 100_000, clients: 50 },
      { values: 1_663_370, clients: 10 },
      { values: 1_663_370, clients: 50 },
    ],
    droppedShares: [0, 0.1, 0.3],
  },
  caches: { documents: 100, questions: 20, each: 5 },
  vectors: { rounds: 3, vectors: 100_000, queries: 200 },
};
const quick: Effort = {
  rounds: 1,
  digitsRequests: 300,
  digitsImages: 1_000,
  model5msRequests: 40,
  model200msRuns: 2,
  cutOffRequests: 600,
  faults: { skerrySeconds: 2, sednaSeconds: 4 },
  escalationImages: 1_000,
  documentChanges: 400,
  deltaModels: ['digits'],
  splits: 50,
  routingRepeats: 1,
  fleet: {
    devicesFirst: 200,
    devicesMost: 400,
    idleDevices: [100, 600],
    intervalMs: 2_000,
    windowMs: 2_000,
    triesMax: 2,
  },
  serving: {
    rounds: 1,
    firstPerSecond: { digits: 100, model5ms: 50 },
    mostPerSecond: 200,
    windowMs: 1_000,
    triesMax: 2,
  },
  secure: { cases: [{ values: 100_000, clients: 10 }], droppedShares: [0, 0.3] },
  caches: { documents: 40, questions: 10, each: 2 },
  vectors: { rounds: 1, vectors: 5_000, queries: 20 },
};

const sections = {
  infer: inferSection,
  loop: loopSection,
  digits: digitsSection,
  quantize: quantizeSection,
  cascade: cascadeSection,
  guarantee: guaranteeSection,
  routing: routingSection,
  cloud: cloudSections,
  faults: faultSection,
  documents: documentSection,
  delta: deltaSection,
  fleet: fleetSection,
  serving: servingSection,
  hedging: hedgingSection,
  secagg: secureSection,
  noise: noiseSection,
  retrieval: retrievalSection,
  vectors: vectorsSection,
  caches: cachesSection,
} as const satisfies Record<string, (bench: Bench) => Promise<string>>;

const write = (text: string): void => void process.stdout.write(text);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
  });
  const chosen = chooseSections(values.only);
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
    for (const section of chosen) write(`\n${await section(bench)}\n`);
  } finally {
    await workload.close();
  }
}

function chooseSections(only: string | undefined) {
  if (only === undefined) return Object.values(sections);
  if (Object.hasOwn(sections, only)) return [sections[only as keyof typeof sections]];
  throw new Error(`no section '${only}': expected one of ${Object.keys(sections).join(', ')}`);
}

process.exitCode = await main().then(
  () => 0,
  (thrown: unknown) => {
    process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
    return 1;
  },
);
