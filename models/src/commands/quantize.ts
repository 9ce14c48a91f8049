// models quantize BUNDLE: a further variant of a bundle, in bytes inside.

import { basename, join } from 'node:path';
import { countSchema, defined, listSchema, ok, type Result } from '@skerry/shared';
import { systemClock } from '@skerry/shared/node';
import { z } from 'zod';
import { type Bundle, readBundle, zooDirectory } from '../node/read-bundle.ts';
import { rangeMethods } from '../quantize/choose-range.ts';
import { type QuantizedBundle, quantizeBundle } from '../quantize/quantize-bundle.ts';
import { quantizeStatic } from '../quantize/quantize-static.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { writeBundle } from '../training/write-bundle.ts';
import { defineCommand, percent, table } from './command.ts';
import { compareSpeed } from './compare-speed.ts';
import { dataDescription, openDataSet } from './data-sets.ts';

const schema = z.object({
  variant: z
    .string()
    .optional()
    .describe('the variant to quantize; the first, where none is named'),
  as: z.string().default('int8').describe('the new variant’s name'),
  data: z
    .string()
    .min(1)
    .default('mnist')
    .describe(`to calibrate and to judge with: ${dataDescription}`),
  method: z.enum(rangeMethods).default('min-max').describe('how an activation’s range is chosen'),
  activations: z.enum(['UINT8', 'INT8']).default('UINT8').describe('bytes of activations'),
  weightBits: countSchema(7, 8)
    .default(7)
    .describe('8 is finer; 7 is the same on x86 without VNNI, where 8 saturates'),
  exclude: listSchema.optional().describe('nodes, or operators, that stay as they are'),
  accuracyDropMax: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.002)
    .describe('share of the examples that may be lost at an exit'),
});

export const quantize = defineCommand('BUNDLE', schema, async (subject, options) => {
  const folder = basename(subject) === subject ? join(zooDirectory, subject) : subject;
  const bundle = await readBundle(folder, ['edge', 'cloud'], options.variant);
  if (!bundle.ok) return bundle;
  const data = await openDataSet(options.data, bundle.value.manifest.lineage.seed);
  if (!data.ok) return data;
  const runtime = createOnnxDirectRuntime();
  const how = {
    ...options,
    weightBits: options.weightBits === 8 ? 8 : 7,
    excluded: new Set(options.exclude ?? []),
  } as const;
  const quantized = await quantizeBundle(
    bundle.value,
    data.value,
    {
      name: options.as,
      accuracyDropMax: options.accuracyDropMax,
      quantize: (model, runs) => {
        const input = defined(model.graph.input[0], 'a stage’s input').name;
        const feeds = runs.map((run) => ({ [input]: run }));
        return quantizeStatic(model, feeds, how, runtime);
      },
    },
    runtime,
  );
  if (!quantized.ok) return quantized;
  await writeBundle(folder, quantized.value);
  const speed = await speedRows(bundle.value, quantized.value, runtime);
  return speed.ok ? ok(report(bundle.value, quantized.value, speed.value)) : speed;
});

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
  const left = skipped.map(({ node, reason }) => `\nnot in bytes: ${node}, ${reason}`);
  return `${table(rows)}\n${nodes} nodes compute in bytes${left.join('')}`;
}
