// models quantize BUNDLE: a further variant of a bundle, in bytes inside, calibrated anew and judged by its accuracy.
// models quantize FILE.onnx --out FILE: a graph, judged by how close its outputs stay.

import { basename, join } from 'node:path';
import { collect, countSchema, defined, listSchema, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { z } from 'zod';
import { type Bundle, readBundle, zooDirectory } from '../node/read-bundle.ts';
import { decodeModel } from '../onnx/model-proto.ts';
import { rangeMethods } from '../quantize/choose-range.ts';
import {
  type BundleQuantization,
  type QuantizedBundle,
  quantizeBundle,
} from '../quantize/quantize-bundle.ts';
import { type QuantizeOptions, quantizeModel, quantizeModes } from '../quantize/quantize-model.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { writeBundle } from '../training/write-bundle.ts';
import { checkExcluded } from './check-excluded.ts';
import { defineCommand, percent, table } from './command.ts';
import { compareSpeed } from './compare-speed.ts';
import { dataDescription, openDataSet } from './data-sets.ts';
import { leftText, quantizeFile } from './quantize-file.ts';

const shareSchema = z.coerce.number().min(0).max(1);

const schema = z.object({
  mode: z
    .enum(quantizeModes)
    .default('static')
    .describe('static for convolutions, dynamic for transformers, weights for small files alone'),
  weightBits: countSchema(4, 8)
    .refine((bits) => bits === 4 || bits >= 7, 'expected 4, 7 or 8')
    .default(7)
    .describe('7 is the same on x86 without VNNI, where 8 saturates; 4 for mode weights'),
  activations: z.enum(['UINT8', 'INT8']).default('UINT8').describe('bytes of activations'),
  method: z.enum(rangeMethods).default('min-max').describe('how an activation’s range is chosen'),
  exclude: listSchema.optional().describe('nodes, or operators, that stay as they are'),
  variant: z.string().optional().describe('of a bundle, the one to quantize; else the first'),
  as: z.string().default('int8').describe('of a bundle, the new variant’s name'),
  data: z
    .string()
    .min(1)
    .default('mnist')
    .describe(`of a bundle, what calibrates and judges it: ${dataDescription}`),
  accuracyDropMax: shareSchema
    .default(0.002)
    .describe('of a bundle, the share of the examples that may be lost at an exit'),
  samples: z
    .string()
    .optional()
    .describe('of a file, its inputs: one Open Inference Protocol request a line'),
  cosineMin: shareSchema.default(0.98).describe('of a file, how close its outputs must stay'),
  out: z.string().optional().describe('of a file, the file that is written'),
});
type Options = z.output<typeof schema>;

export const quantize = defineCommand('BUNDLE|FILE.onnx', schema, (subject, options) => {
  const { weightBits, exclude, ...rest } = options;
  const how = {
    ...rest,
    weightBits: weightBits === 4 || weightBits === 8 ? weightBits : 7,
    excluded: new Set(exclude ?? []),
  } as const;
  const runtime = createOnnxDirectRuntime();
  return subject.endsWith('.onnx')
    ? quantizeFile(subject, { ...how, out: how.out, samples: how.samples }, runtime)
    : quantizeBundleAt(subject, options, how, runtime);
});

async function quantizeBundleAt(
  subject: string,
  { variant, data: dataName, as: name, accuracyDropMax }: Options,
  how: QuantizeOptions,
  runtime: Runtime,
): Promise<Result<string>> {
  const folder = basename(subject) === subject ? join(zooDirectory, subject) : subject;
  const bundle = await readBundle(folder, ['edge', 'cloud'], variant);
  if (!bundle.ok) return bundle;
  const models = collect([...bundle.value.stages.values()].map(decodeModel));
  const known = models.ok ? checkExcluded(models.value, how.excluded) : models;
  if (!known.ok) return known;
  const data = await openDataSet(dataName, bundle.value.manifest.lineage.seed);
  if (!data.ok) return data;
  const quantize: BundleQuantization['quantize'] = (model, runs) => {
    const input = defined(model.graph.input[0], 'a stage’s input').name;
    const feeds = runs.map((run) => ({ [input]: run }));
    return quantizeModel(model, feeds, how, runtime);
  };
  const wanted = { name, accuracyDropMax, quantize };
  const quantized = await quantizeBundle(bundle.value, data.value, wanted, runtime);
  if (!quantized.ok) return quantized;
  const speed = await speedRows(bundle.value, quantized.value, runtime);
  if (!speed.ok) return speed;
  await writeBundle(folder, quantized.value);
  return ok(report(bundle.value, quantized.value, speed.value));
}

async function speedRows(
  { manifest, stages }: Bundle,
  { variant, files, samples }: QuantizedBundle,
  runtime: Runtime,
): Promise<Result<string[][]>> {
  const rows: string[][] = [];
  for (const stage of manifest.stages) {
    const [input] = stage.inputs;
    const sample = samples.get(stage.name);
    const builds = [stages.get(stage.name), files.get(variant.files[stage.name]?.path ?? '')];
    const feeds = { [input?.name ?? '']: defined(sample, 'an example') };
    const times = await compareSpeed(
      builds.map((b) => defined(b, 'a build')),
      feeds,
      runtime,
      systemClock,
    );
    if (!times.ok) return times;
    rows.push([`ms of stage ${stage.name}`, ...times.value.map((ms) => ms.toFixed(3))]);
  }
  return ok(rows);
}

function report(
  { variant: from, manifest }: Bundle,
  quantized: QuantizedBundle,
  speed: readonly (readonly string[])[],
): string {
  const { variant, before, after, nodes, skipped } = quantized;
  const rows: (readonly string[])[] = [['', from.name, variant.name]];
  for (const { name } of manifest.stages)
    rows.push([
      `bytes of stage ${name}`,
      String(from.files[name]?.bytes),
      String(variant.files[name]?.bytes),
    ]);
  rows.push(...speed);
  for (const [i, { index }] of manifest.exits.entries()) {
    const of = (shares: readonly number[]) => percent(shares[i] ?? 0);
    rows.push([`accuracy at exit ${index}`, of(before.accuracyAtExit), of(after.accuracyAtExit)]);
    rows.push([`answered at exit ${index}`, of(before.shareAtExit), of(after.shareAtExit)]);
  }
  rows.push([
    'accuracy end to end',
    percent(before.accuracyEndToEnd),
    percent(after.accuracyEndToEnd),
  ]);
  return `${table(rows)}\n${nodes} nodes have weights in bytes${leftText(skipped)}`;
}
