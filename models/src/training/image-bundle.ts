// From trained weights to a bundle: exported stages, calibrated on held-out images, measured on test images, with golden
// inputs.

import { defined } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import { calibrateVariant } from '../bundle/calibrate-variant.ts';
import type { Calibration } from '../bundle/calibration.ts';
import type { Manifest, Variant } from '../bundle/manifest.ts';
import { runRows, type StageBytes } from '../bundle/run-stages.ts';
import { examplesDigest } from '../node/examples-digest.ts';
import { variantDigest } from '../node/variant-digest.ts';
import { encodeModel } from '../onnx/model-proto.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { chooseCutScale } from './cut-scale.ts';
import { examplesOf, observeExits } from './evaluate.ts';
import { expectOk } from './expect-ok.ts';
import { exportNeck, exportStages } from './export-stages.ts';
import { chooseGolden } from './golden.ts';
import { describeModel, imageExits, stagesOf } from './image-card.ts';
import type { ImageModel } from './image-model.ts';
import type { LabelledImages } from './labelled-images.ts';
import { type Measurement, measure } from './measure.ts';
import type { ImageSplit } from './split-images.ts';
import type { Weights } from './weights.ts';

export interface ImageBundle {
  readonly manifest: Manifest;
  /** ONNX bytes by file name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly measurement: Measurement;
}

export interface BundleInputs {
  readonly weights: Weights;
  readonly images: ImageSplit;
  readonly seed: number;
  readonly epochs: number;
}

export async function buildImageBundle(
  model: ImageModel,
  inputs: BundleInputs,
): Promise<ImageBundle> {
  const { images, weights } = inputs;
  const { tuning, proving, test } = images;
  const stages = await exportCalibratedCut(model, weights, tuning);
  const manifestStages = stagesOf(model);
  const files = variantFiles(stages);
  const digest = variantDigest(manifestStages, files);
  const graph = { stages: manifestStages, exits: imageExits, labels: [...model.labels] };

  const exits = expectOk(
    await calibrateVariant(
      graph,
      stages,
      { tuning: examplesOf(tuning), proving: examplesOf(proving) },
      () => ({ bound: model.edgeRiskBound }),
      createOnnxDirectRuntime(),
    ),
  );
  const calibration: Calibration = {
    variant: digest,
    data: examplesDigest(examplesOf(tuning), examplesOf(proving)),
    exits,
  };
  const rule = defined(exits[0], 'calibration of exit 1');
  const [tested] = await observeExits(graph, stages, test);
  const measurement = measure(defined(tested, 'exit 1'), rule);
  return {
    manifest: {
      ...describeModel(model, inputs, measurement),
      variants: [{ name: 'fp32', digest, files, calibration }],
      golden: chooseGolden(test, defined(tested, 'exit 1'), rule),
    },
    files: new Map([...stages].map(([name, bytes]) => [`${name}.onnx`, bytes])),
    measurement,
  };
}

async function exportCalibratedCut(
  { network, recipe: { pixelScale } }: ImageModel,
  weights: Weights,
  tuning: LabelledImages,
): Promise<StageBytes> {
  const neck = encodeModel(exportNeck(network, weights, pixelScale));
  const runtime = createOnnxDirectRuntime();
  const { cut } = expectOk(await runRows(neck, examplesOf(tuning).input, runtime));
  const cutScales = [chooseCutScale(defined(cut, 'cut').data as Float32Array)];
  const models = exportStages(network, weights, { pixelScale, cutScales });
  return new Map(models.map((model) => [model.graph.name ?? '', encodeModel(model)]));
}

function variantFiles(stages: StageBytes): Variant['files'] {
  return Object.fromEntries(
    [...stages].map(([name, bytes]) => [
      name,
      { path: `${name}.onnx`, bytes: bytes.byteLength, sha256: sha256(bytes) },
    ]),
  );
}
