// A bundle from ONNX files that somebody else made: one classifier, or several as a cascade, the smallest first, each a
// stage and an exit of its own. Nothing is known of how sure they may be taken at their word, so the bundle says that
// no exit but the last is to be trusted, until `models calibrate` has seen data.

import { collect, defined, err, failure, ok, type Result } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { Manifest, Stage } from '../bundle/manifest.ts';
import { variantDigest } from '../node/variant-digest.ts';
import { encodeModel, type ModelProto } from '../onnx/model-proto.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor, TensorSpec } from '../tensor.ts';
import {
  type ImageInput,
  imageOf,
  type Normalisation,
  stageInput,
  stageOutput,
  wrapClassifier,
} from './wrap-classifier.ts';

export interface ImportedModel {
  /** Of the file, for the lineage. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly model: ModelProto;
  readonly input: TensorSpec;
}

export interface ImportOptions extends Normalisation {
  readonly name: string;
  readonly labels: readonly string[];
  /** Height and width of the bundle's input; the largest model's where it is missing. */
  readonly size?: number | undefined;
  /** Whether the last model runs in the cloud. */
  readonly cloud: boolean;
  readonly licence: string;
  readonly recipe: string;
}

export interface ImportedBundle {
  readonly manifest: Manifest;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Fails with `invalid_bundle` where a model is no classifier of images with as many classes as there are labels. */
export async function importBundle(
  models: readonly ImportedModel[],
  options: ImportOptions,
  runtime: Runtime,
): Promise<Result<ImportedBundle>> {
  const image = imageOfBundle(models, options.size);
  if (!image.ok) return image;
  const wrapped = collect(
    models.map(({ model, input }) => wrapClassifier(model, input, image.value, options)),
  );
  if (!wrapped.ok) return wrapped;
  const names = stageNames(models.length, options.cloud);
  const bytes = new Map(
    names.map((name, i) => [name, encodeModel(defined(wrapped.value[i], name))]),
  );
  for (const [name, content] of bytes) {
    const checked = await checkClasses(name, content, image.value, options.labels, runtime);
    if (!checked.ok) return checked;
  }
  return ok(bundleOf(models, bytes, image.value, options));
}

function imageOfBundle(
  models: readonly ImportedModel[],
  size: number | undefined,
): Result<ImageInput> {
  const images = models.map(({ input }) => imageOf(input));
  const [first] = images;
  if (first === undefined || images.includes(undefined))
    return err(
      failure('invalid_bundle', 'each model takes an image, [N, C, H, W] or [N, H, W, C]'),
    );
  const side = (of: (image: ImageInput) => number): number =>
    size ?? Math.max(...images.map((image) => of(defined(image, 'an image'))));
  return ok({
    channels: first.channels,
    height: side((i) => i.height),
    width: side((i) => i.width),
  });
}

function stageNames(count: number, cloud: boolean): string[] {
  return Array.from({ length: count }, (_, i) => {
    if (cloud && i === count - 1) return 'cloud';
    return i === 0 ? 'edge' : `edge-${i + 1}`;
  });
}

/** Runs the stage once, on a grey image. */
async function checkClasses(
  stage: string,
  bytes: Uint8Array,
  { channels, height, width }: ImageInput,
  labels: readonly string[],
  runtime: Runtime,
): Promise<Result<void>> {
  const session = await runtime.load(bytes);
  if (!session.ok) return session;
  const data = new Uint8Array(channels * height * width).fill(128);
  const image: Tensor = { datatype: 'UINT8', shape: [1, channels, height, width], data };
  const ran = await session.value.run({ [stageInput]: image });
  await session.value.close();
  if (!ran.ok) return ran;
  const { shape = [], datatype } = ran.value[stageOutput] ?? {};
  if (datatype === 'FP32' && shape.length === 2 && shape[1] === labels.length) return ok(undefined);
  return err(
    failure(
      'invalid_bundle',
      `stage ${stage} gives ${datatype} [${shape}], not FP32 [1, ${labels.length}]: one number a label`,
    ),
  );
}

function bundleOf(
  models: readonly ImportedModel[],
  bytes: ReadonlyMap<string, Uint8Array>,
  { channels, height, width }: ImageInput,
  { name, labels, licence, recipe }: ImportOptions,
): ImportedBundle {
  const input = {
    name: stageInput,
    datatype: 'UINT8' as const,
    shape: [-1, channels, height, width],
  };
  const output = { name: stageOutput, datatype: 'FP32' as const, shape: [-1, labels.length] };
  const stages = [...bytes.keys()].map((stage): Stage => {
    return {
      name: stage,
      side: stage === 'cloud' ? 'cloud' : 'edge',
      inputs: [input],
      outputs: [output],
    };
  });
  const files = Object.fromEntries(
    [...bytes].map(([stage, content]) => [
      stage,
      { path: `${stage}.onnx`, bytes: content.byteLength, sha256: sha256(content) },
    ]),
  );
  const digest = variantDigest(stages, files);
  const exits = stages.map(({ name: stage }, i) => ({ index: i + 1, stage, logits: stageOutput }));
  const manifest: Manifest = {
    schema: 'skerry.bundle/1',
    name,
    version: '1.0.0',
    task: 'image-classification',
    inputs: [input],
    labels: [...labels],
    stages,
    exits,
    variants: [
      {
        name: 'imported',
        digest,
        files,
        calibration: {
          variant: digest,
          exits: exits.map(({ index }) => untrusted(index, exits.length)),
        },
      },
    ],
    golden: [],
    lineage: {
      recipe,
      seed: 0,
      data: models.map((model) => ({ name: model.name, sha256: sha256(model.bytes) })),
    },
    licence,
    card: {
      summary: `Imported from ${models.map((model) => model.name).join(', ')}.`,
      intendedUse: 'What the models it was imported from are intended for.',
      limitations:
        'Nothing was measured at import, and no exit but the last is trusted before a calibration.',
      metrics: {},
    },
  };
  return { manifest, files: new Map([...bytes].map(([stage, c]) => [`${stage}.onnx`, c])) };
}

function untrusted(
  exit: number,
  last: number,
): Manifest['variants'][number]['calibration']['exits'][number] {
  const unknown = { exit, temperature: 1, method: 'none', epsilon: 1, delta: 0, n: 0 } as const;
  if (exit === last) return { ...unknown, threshold: 0 };
  return {
    ...unknown,
    threshold: null,
    reason: 'imported, and calibrated on nothing: escalate everything',
  };
}
