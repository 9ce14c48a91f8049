// models import A.onnx[,B.onnx…] --labels FILE --out FOLDER: a bundle from ONNX files; several are a cascade.

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  countSchema,
  defined,
  err,
  failure,
  listSchema,
  messageOf,
  nameSchema,
  ok,
  type Result,
} from '@skerry/shared';
import { z } from 'zod';
import { checkManifest } from '../bundle/check-manifest.ts';
import { type ImportedModel, importBundle } from '../import/import-bundle.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { writeBundle } from '../training/write-bundle.ts';
import { defineCommand } from './command.ts';
import { readModel } from './read-model.ts';

const numbersSchema = listSchema
  .transform((items) => items.map(Number))
  .pipe(z.array(z.number('expected numbers, separated by commas')));

const schema = z.object({
  out: z.string().describe('folder of the bundle'),
  labels: z.string().describe('file of the classes’ names, one a line'),
  name: nameSchema.optional().describe('of the bundle; the folder’s, where it is missing'),
  size: countSchema(1, 4096)
    .optional()
    .describe('height and width of the bundle’s images; the largest model’s'),
  mean: numbersSchema
    .prefault('0')
    .describe('taken from each pixel, 0…255; one number, or one a channel'),
  scale: numbersSchema.prefault('1').describe('what that is multiplied with'),
  cloud: z
    .enum(['last', 'none'])
    .default('last')
    .describe('whether the last of several runs in the cloud'),
  licence: z.string().default('unknown').describe('of the models'),
});

export const importModels = defineCommand('A.onnx[,B.onnx…]', schema, async (subject, options) => {
  const runtime = createOnnxDirectRuntime();
  const paths = subject.split(',');
  const models: ImportedModel[] = [];
  for (const path of paths) {
    const model = await readImported(path, runtime);
    if (!model.ok) return model;
    models.push(model.value);
  }
  const labels = await readLabels(options.labels);
  if (!labels.ok) return labels;
  const name = nameSchema.safeParse(options.name ?? basename(options.out));
  if (!name.success) return err(failure('invalid_config', `--name: ${name.error.message}`));
  const recipe = `npm run models -- import ${paths.map((p) => basename(p)).join(',')} --mean ${options.mean} --scale ${options.scale}`;
  const cloud = options.cloud === 'last' && models.length > 1;
  const bundle = await importBundle(
    models,
    { ...options, name: name.data, labels: labels.value, cloud, recipe },
    runtime,
  );
  if (!bundle.ok) return bundle;
  const checked = checkManifest(bundle.value.manifest);
  if (!checked.ok) return checked;
  await writeBundle(options.out, bundle.value);
  const { stages, inputs } = bundle.value.manifest;
  const shape = inputs[0]?.shape.slice(1).join('×');
  const lines = stages.map(
    ({ name: stage, side }, i) =>
      `  ${stage} (${side === 'edge' ? 'device' : 'cloud'}): ${models[i]?.name}`,
  );
  return ok(
    `${options.out}: UINT8 ${shape}, ${labels.value.length} classes\n${lines.join('\n')}\nno exit but the last is trusted before models calibrate`,
  );
});

async function readImported(path: string, runtime: Runtime): Promise<Result<ImportedModel>> {
  const read = await readModel(path, runtime);
  if (!read.ok) return read;
  const [input, second] = read.value.inputs;
  if (second !== undefined)
    return err(
      failure('invalid_bundle', `${path} takes ${read.value.inputs.length} inputs, not one`),
    );
  const { bytes, model } = read.value;
  return ok({ name: basename(path), bytes, model, input: defined(input, 'an input') });
}

async function readLabels(path: string): Promise<Result<string[]>> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.trim());
    return ok(lines.at(-1) === '' ? lines.slice(0, -1) : lines);
  } catch (thrown) {
    return err(failure('invalid_argument', `${path}: ${messageOf(thrown)}`));
  }
}
