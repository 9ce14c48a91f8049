// `npm run bench`: what Skerry costs, as ratios against a baseline measured in the same run: fresh processes, in
// alternating order, medians over the rounds. `--quick` is a smoke run whose figures mean little; `--only SECTION` runs
// one section; `--embedder PATH` says where one lies, for those that carry one with them.

import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { measure } from './measure.ts';
import type { Bench, Effort, StandaloneBench } from './sections.ts';

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
  providers: {
    rounds: 3,
    digitsBatches: [1, 32, 256],
    embedderBatches: [1, 8, 32, 128],
    forMs: 1_000,
  },
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
  providers: { rounds: 1, digitsBatches: [1, 32], embedderBatches: [1, 8], forMs: 200 },
};

/** Loaded when it is wanted: the standalone ones shall need no more than they carry. */
type Load<B> = () => Promise<(bench: B) => Promise<string>>;

const sections = {
  infer: async () => (await import('./sections.ts')).inferSection,
  loop: async () => (await import('./sections.ts')).loopSection,
  digits: async () => (await import('./digits-section.ts')).digitsSection,
  quantize: async () => (await import('./quantize-section.ts')).quantizeSection,
  cascade: async () => (await import('./cascade-section.ts')).cascadeSection,
  guarantee: async () => (await import('./guarantee-section.ts')).guaranteeSection,
  routing: async () => (await import('./routing-section.ts')).routingSection,
  cloud: async () => (await import('./sections.ts')).cloudSections,
  faults: async () => (await import('./fault-section.ts')).faultSection,
  documents: async () => (await import('./document-section.ts')).documentSection,
  delta: async () => (await import('./delta-section.ts')).deltaSection,
  fleet: async () => (await import('./fleet-section.ts')).fleetSection,
  serving: async () => (await import('./serving-section.ts')).servingSection,
  hedging: async () => (await import('./hedging-section.ts')).hedgingSection,
  secagg: async () => (await import('./secure-section.ts')).secureSection,
  noise: async () => (await import('./noise-section.ts')).noiseSection,
  retrieval: async () => (await import('./retrieval-section.ts')).retrievalSection,
  vectors: async () => (await import('./vectors-section.ts')).vectorsSection,
  caches: async () => (await import('./caches-section.ts')).cachesSection,
} as const satisfies Record<string, Load<Bench>>;
const standalone = {
  providers: async () => (await import('./providers-section.ts')).providersSection,
} as const satisfies Record<string, Load<StandaloneBench>>;

const write = (text: string): void => void process.stdout.write(text);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      embedder: { type: 'string' },
    },
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
  const bench: StandaloneBench = {
    effort,
    paths: { embedder: values.embedder },
    measure: (name, options) => measure(name, options, abort.signal),
    onCase,
  };
  const { arch, platform, version } = process;
  const load = loadavg()[0]?.toFixed(1);
  write(
    `Skerry bench: ${cpus().length} cores, ${cpus()[0]?.model}, ${platform} ${arch}, Node ${version}, load ${load}\n` +
      `Medians of ${effort.rounds} rounds, in alternating order, fresh processes; a ratio compares within its round.\n`,
  );
  if (chosen.withWorkload.length > 0) await runWithWorkload(bench, chosen.withWorkload);
  for (const section of chosen.standalone) write(`\n${await (await section())(bench)}\n`);
}

async function runWithWorkload(
  bench: StandaloneBench,
  chosen: readonly Load<Bench>[],
): Promise<void> {
  bench.onCase('preparing models and images');
  const { prepareWorkload } = await import('./workload.ts');
  const workload = await prepareWorkload();
  try {
    for (const section of chosen) write(`\n${await (await section())({ ...bench, workload })}\n`);
  } finally {
    await workload.close();
  }
}

interface Chosen {
  readonly withWorkload: readonly Load<Bench>[];
  readonly standalone: readonly Load<StandaloneBench>[];
}

function chooseSections(only: string | undefined): Chosen {
  if (only === undefined)
    return { withWorkload: Object.values(sections), standalone: Object.values(standalone) };
  if (Object.hasOwn(sections, only))
    return { withWorkload: [sections[only as keyof typeof sections]], standalone: [] };
  if (Object.hasOwn(standalone, only))
    return { withWorkload: [], standalone: [standalone[only as keyof typeof standalone]] };
  const names = [...Object.keys(sections), ...Object.keys(standalone)];
  throw new Error(`no section '${only}': expected one of ${names.join(', ')}`);
}

process.exitCode = await main().then(
  () => 0,
  (thrown: unknown) => {
    process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
    return 1;
  },
);
