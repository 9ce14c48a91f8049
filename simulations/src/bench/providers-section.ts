// What a GPU is worth: the digits' cloud stage and an embedder, in batches, on the cpu's cores and on each execution
// provider that opens here. Needs no images and no models but these files, so that it can be carried to a machine that
// has nothing else: `node simulations/dist/bench/main.js --only providers --embedder FILE.onnx`.

import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionProvider } from '@skerry/models/runtime';
import { messageOf } from '@skerry/shared';
import type {
  ProviderSpeed,
  ProviderSpeedOptions,
  Unavailable,
} from './measurements/provider-speed.ts';
import { inRounds } from './rounds.ts';
import type { StandaloneBench } from './sections.ts';
import { median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

const root = new URL('../../../', import.meta.url);
const digits = fileURLToPath(new URL('models/zoo/digits', root));
const embedders = ['gte-small', 'minilm-l6-int8'].map((name) =>
  fileURLToPath(new URL(`.skerry/ask/${name}`, root)),
);
const wanted = ['webgpu', 'cuda', 'tensorrt'] as const satisfies readonly ExecutionProvider[];
const tokens = 128;

interface Subject {
  readonly title: string;
  readonly model: string;
  readonly batches: readonly number[];
}

export async function providersSection(bench: StandaloneBench): Promise<string> {
  const subjects: Subject[] = ['cloud.onnx', 'cloud.int8.onnx'].map((file) => ({
    title: `The digits’ cloud stage, ${file}`,
    model: join(digits, file),
    batches: bench.effort.providers.digitsBatches,
  }));
  const embedder = await findEmbedder(bench.paths.embedder);
  if (embedder !== undefined)
    subjects.push({
      title: `${embedder.name}, passages of ${tokens} tokens`,
      model: embedder.model,
      batches: bench.effort.providers.embedderBatches,
    });
  const parts: string[] = [];
  for (const subject of subjects) parts.push(await measureSubject(bench, subject));
  if (embedder === undefined)
    parts.push(
      `An embedder\nskipped (1 case): npm run models -- embedder gte-small --out ${embedders[0]}`,
    );
  return ['Execution providers, with the cpu’s of all cores beside them', ...parts].join('\n\n');
}

/** A folder of one, or its network alone. */
async function findEmbedder(
  given: string | undefined,
): Promise<{ readonly name: string; readonly model: string } | undefined> {
  const path = given ?? embedders.find((folder) => existsSync(folder));
  if (path === undefined) return undefined;
  if (!statSync(path).isDirectory()) return { name: basename(path), model: path };
  const description = JSON.parse(await readFile(join(path, 'embedder.json'), 'utf8'));
  return { name: description.name, model: join(path, description.model.path) };
}

async function measureSubject(
  { measure, effort, onCase }: StandaloneBench,
  { title, model, batches }: Subject,
): Promise<string> {
  const optionsOf = (provider: ExecutionProvider, rows: number): ProviderSpeedOptions => ({
    ...{ model, provider, rows, tokens, threads: availableParallelism() },
    forMs: effort.providers.forMs,
  });
  /** One that ends its process ends no bench. */
  const attempt = (options: ProviderSpeedOptions): Promise<ProviderSpeed | Unavailable> =>
    measure('provider-speed', options).catch((thrown: unknown) => ({
      unavailable: messageOf(thrown),
    }));
  const found: ExecutionProvider[] = [];
  const skipped: string[] = [];
  for (const provider of wanted) {
    onCase(`${basename(model)}: is there ${provider}`);
    const probe = await attempt({ ...optionsOf(provider, 1), forMs: 0 });
    if ('unavailable' in probe) skipped.push(`${provider} skipped: ${probe.unavailable}`);
    else found.push(provider);
  }
  const rows: string[][] = [];
  for (const batch of batches)
    rows.push(
      ...rowsOf(
        batch,
        await inRounds<Record<string, ProviderSpeed | Unavailable>>(
          effort.providers.rounds,
          Object.fromEntries(
            (['cpu', ...found] as const).map((provider) => [
              provider,
              () => attempt(optionsOf(provider, batch)),
            ]),
          ),
          (name) => onCase(`${basename(model)} × ${batch}: ${name}`),
        ),
      ),
    );
  const header = [
    ...['batch', 'on', 'ms a batch', 'items/s', 'of the cpu’s', 'first run ms', 'open ms'],
    ...['memory MiB', 'off by at most', 'cosine, least'],
  ];
  return [title, renderTable(header, rows), ...skipped].join('\n');
}

function rowsOf(
  batch: number,
  measured: Readonly<Record<string, readonly (ProviderSpeed | Unavailable)[]>>,
): string[][] {
  const speedsOf = (name: string) =>
    (measured[name] ?? []).filter((each): each is ProviderSpeed => !('unavailable' in each));
  const cpu = speedsOf('cpu').map(({ batchMs }) => batchMs);
  return Object.keys(measured).map((name) => {
    const speeds = speedsOf(name);
    if (speeds.length < cpu.length) return [String(batch), name, 'failed while it ran'];
    const of = (figure: (each: ProviderSpeed) => number) => median(speeds.map(figure));
    const batchMs = speeds.map((each) => each.batchMs);
    return [
      String(batch),
      name,
      number(median(batchMs)),
      number((1_000 * batch) / median(batchMs)),
      name === 'cpu' ? '' : ratio(medianRatio(cpu, batchMs)),
      number(of(({ firstMs }) => firstMs)),
      number(of(({ openMs }) => openMs)),
      number(of(({ residentMiB }) => residentMiB)),
      name === 'cpu' ? '' : of(({ differenceMax }) => differenceMax).toExponential(1),
      name === 'cpu' ? '' : of(({ cosineMin }) => cosineMin).toFixed(6),
    ];
  });
}
