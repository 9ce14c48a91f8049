// models split FILE.onnx: where a graph can be cut in two, what each cut costs; with --at, the two halves; with
// --bottleneck, fewer channels between them, trained so that the network does not mind.

import { collect, countSchema, defined, err, failure, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { z } from 'zod';
import { encodeModel } from '../onnx/model-proto.ts';
import { profileGraph } from '../onnx/profile-graph.ts';
import { type Affine, affineOf, byteLimits, type Range } from '../quantize/affine.ts';
import { observe, observeRanges } from '../quantize/observe.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { findCuts } from '../split/find-cuts.ts';
import { type RankedCut, rankCuts } from '../split/rank-cuts.ts';
import { type Halves, splitGraph } from '../split/split-graph.ts';
import { type Tensor, type TensorMap, tensorBytes } from '../tensor.ts';
import { defineCommand, table } from './command.ts';
import { compareSpeed } from './compare-speed.ts';
import { dataDescription } from './data-sets.ts';
import { type ReadModel, readModel } from './read-model.ts';
import { readSamples, type Samples } from './samples.ts';
import { splitWithBottleneck } from './split-bottleneck.ts';
import { packedBytes, writeHalves } from './write-halves.ts';

const schema = z.object({
  samples: z
    .string()
    .optional()
    .describe('file of inputs, one Open Inference Protocol request a line; noise without it'),
  at: z.string().optional().describe('the value to cut at; lists the cuts without it'),
  out: z.string().optional().describe('folder of the two halves'),
  bytes: z
    .enum(['UINT8', 'INT8', 'none'])
    .default('UINT8')
    .describe('how the cut travels; none leaves its datatype'),
  cutsMax: countSchema(1, 1_000)
    .default(24)
    .describe('cuts that are timed and listed, evenly chosen'),
  bottleneck: countSchema(1, 4_096)
    .optional()
    .describe('with --at: channels that travel in place of the cut’s, by layers that are trained'),
  data: z
    .string()
    .min(1)
    .default('mnist')
    .describe(`what a bottleneck is trained and judged on: ${dataDescription}`),
  logits: z
    .string()
    .optional()
    .describe('the output that classifies; else the only one of so many numbers an example'),
  pixelScale: z.coerce
    .number()
    .gt(0)
    .default(1 / 255)
    .describe('what a pixel is multiplied by for a network that takes FP32'),
  epochs: countSchema(1, 100).default(6).describe('of a bottleneck’s training'),
  seed: z.coerce.number().int().min(0).default(1).describe('of a bottleneck’s training'),
  accuracyDropMax: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.005)
    .describe('the share of the test examples that a bottleneck may lose'),
});
type Options = z.output<typeof schema>;

export const split = defineCommand('FILE.onnx', schema, async (path, options) => {
  const runtime = createOnnxDirectRuntime();
  const read = await readModel(path, runtime);
  if (!read.ok) return read;
  if (options.bottleneck !== undefined)
    return splitWithBottleneck(read.value, { ...options, channels: options.bottleneck }, runtime);
  const samples = await readSamples(options.samples, read.value.inputs);
  if (!samples.ok) return samples;
  const profile = await profileGraph(read.value.model, samples.value.runs.slice(0, 1), runtime);
  if (!profile.ok) return profile;
  const cuts = rankCuts(findCuts(profile.value.index), profile.value);
  return options.at === undefined
    ? list(read.value, cuts, samples.value, options, runtime)
    : write(read.value, options.at, cuts, samples.value, options, runtime);
});

async function list(
  read: ReadModel,
  cuts: readonly RankedCut[],
  samples: Samples,
  { cutsMax, bytes }: Options,
  runtime: Runtime,
): Promise<Result<string>> {
  if (cuts.length === 0)
    return ok('no single value cuts this graph in two with products on both sides');
  const step = Math.max(1, cuts.length / cutsMax);
  const shown = cuts.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
  const affines = await affinesOf(read, shown, samples, bytes, runtime);
  if (!affines.ok) return affines;
  const deflated = await deflatedBytes(read, shown, affines.value, samples, runtime);
  if (!deflated.ok) return deflated;
  const rows = [
    ['cut', 'shape', 'FP32', 'bytes', 'deflated', 'MACs before', 'behind', 'ms before', 'behind'],
    inputRow(samples.runs),
  ];
  for (const cut of shown) {
    const ms = await timeHalves(read, cut, affines.value.get(cut.value), samples, runtime);
    if (!ms.ok) return ms;
    rows.push([
      cut.value,
      cut.shape.slice(1).join('×'),
      String(4 * cut.elements),
      String(cut.elements),
      (deflated.value.get(cut.value) ?? 0).toFixed(0),
      millions(cut.macsBefore),
      millions(cut.macsBehind),
      ...ms.value.map((time) => time.toFixed(3)),
    ]);
  }
  const from = samples.real
    ? `on ${samples.runs.length} samples`
    : 'on noise: what real inputs deflate to is another matter; --samples FILE measures it';
  const left = shown.length < cuts.length ? `${shown.length} of ${cuts.length} cuts, ` : '';
  return ok(`${table(rows)}\n${left}${from}`);
}

async function write(
  read: ReadModel,
  at: string,
  cuts: readonly RankedCut[],
  samples: Samples,
  { out, bytes }: Options,
  runtime: Runtime,
): Promise<Result<string>> {
  const invalid = (message: string) => err(failure('invalid_argument', message));
  const cut = cuts.find(({ value }) => value === at);
  if (cut === undefined) return invalid(`the graph cannot be cut at ${at}; the list says where`);
  if (out === undefined) return invalid('--at needs --out, the folder of the halves');
  if (bytes !== 'none' && cut.datatype === 'FP32' && !samples.real)
    return invalid(
      'the scale of a cut in bytes comes from real inputs: --samples, or --bytes none',
    );
  const affines = await affinesOf(read, [cut], samples, bytes, runtime);
  if (!affines.ok) return affines;
  const halves = halvesOf(read, cut, affines.value.get(at));
  return ok(await writeHalves(halves, out));
}

async function affinesOf(
  { model }: ReadModel,
  cuts: readonly RankedCut[],
  { runs }: Samples,
  bytes: Options['bytes'],
  runtime: Runtime,
): Promise<Result<ReadonlyMap<string, Affine>>> {
  const real = cuts.filter(({ datatype }) => datatype === 'FP32').map(({ value }) => value);
  if (bytes === 'none' || real.length === 0) return ok(new Map());
  const ranges = await observeRanges(model, real, runs, 'percentile', runtime);
  if (!ranges.ok) return ranges;
  const affine = ([value, range]: [string, Range]) => [value, affineOf(range, bytes)] as const;
  return ok(new Map([...ranges.value].map(affine)));
}

/** The mean over the samples, as the device packs a cut: zlib, where that is smaller. */
async function deflatedBytes(
  { model }: ReadModel,
  cuts: readonly RankedCut[],
  affines: ReadonlyMap<string, Affine>,
  { runs }: Samples,
  runtime: Runtime,
): Promise<Result<ReadonlyMap<string, number>>> {
  const totals = new Map<string, number>();
  const seen = await observe(
    model,
    cuts.map(({ value }) => value),
    runs,
    runtime,
    (values) => {
      for (const { value } of cuts) {
        const tensor = defined(values[value], `value '${value}'`);
        const affine = affines.get(value);
        const bytes = affine === undefined ? tensorBytes(tensor) : bytesOf(tensor, affine);
        totals.set(value, (totals.get(value) ?? 0) + packedBytes(bytes));
      }
    },
  );
  if (!seen.ok) return seen;
  return ok(new Map([...totals].map(([value, total]) => [value, total / runs.length])));
}

function bytesOf({ data }: Tensor, { datatype, scale, zeroPoint }: Affine): Uint8Array {
  const { min, max } = byteLimits[datatype];
  return Uint8Array.from(data as Float32Array, (value) =>
    Math.max(min, Math.min(max, Math.round(value / scale) + zeroPoint)),
  );
}

async function timeHalves(
  read: ReadModel,
  cut: RankedCut,
  affine: Affine | undefined,
  { runs }: Samples,
  runtime: Runtime,
): Promise<Result<readonly number[]>> {
  const halves = halvesOf(read, cut, affine);
  const device = encodeModel(halves.device);
  const session = await runtime.load(device);
  if (!session.ok) return session;
  const feeds = defined(runs[0], 'a sample');
  const ran = await session.value.run(feeds);
  await session.value.close();
  if (!ran.ok) return ran;
  const crossing = { [halves.name]: defined(ran.value[halves.name], 'the cut') };
  const times = [
    await compareSpeed([device], feeds, runtime, systemClock),
    await compareSpeed([encodeModel(halves.cloud)], crossing, runtime, systemClock),
  ];
  const both = collect(times);
  return both.ok ? ok(both.value.flat()) : both;
}

const halvesOf = ({ model }: ReadModel, cut: RankedCut, affine: Affine | undefined): Halves =>
  splitGraph(model, cut, cut, affine);

/** What travels when the input itself does. */
function inputRow(runs: readonly TensorMap[]): string[] {
  const tensors = Object.values(runs[0] ?? {});
  const elements = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const raw = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
  const deflated = runs.map((run) =>
    Object.values(run).reduce((sum, tensor) => sum + packedBytes(tensorBytes(tensor)), 0),
  );
  const mean = deflated.reduce((a, b) => a + b, 0) / runs.length;
  const shape = tensors.map((tensor) => tensor.shape.slice(1).join('×')).join(', ');
  const isBytes = raw === elements;
  return [
    '(the input)',
    shape,
    isBytes ? '' : String(raw),
    isBytes ? String(raw) : '',
    mean.toFixed(0),
  ];
}

const millions = (macs: number): string => `${(macs / 1e6).toFixed(2)} M`;
