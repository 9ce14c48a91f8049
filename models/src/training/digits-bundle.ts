// From trained weights to the bundle `zoo/digits`: exported stages, calibrated on held-out images, measured on test
// images, with golden inputs.

import { defined } from '@skerry/shared';
import { sha256 } from '@skerry/shared/node';
import type { Manifest, Variant } from '../bundle/manifest.ts';
import {
  calibrateExit,
  calibrateLastExit,
  type ExitCalibration,
} from '../calibration/calibrate-exit.ts';
import type { RiskBound } from '../calibration/learn-then-test.ts';
import type { Scored } from '../calibration/temperature.ts';
import { variantDigest } from '../node/variant-digest.ts';
import { encodeModel } from '../onnx/model-proto.ts';
import type { Tensor } from '../tensor.ts';
import { chooseCutScale } from './cut-scale.ts';
import { digitsNetwork, digitsRecipe } from './digits.ts';
import { describeDigits, digitsStages } from './digits-card.ts';
import { imagesTensor, runExits, runOverAll, type StageBytes } from './evaluate.ts';
import { exportNeck, exportStages } from './export-stages.ts';
import { chooseGolden } from './golden.ts';
import { type ExitOutputs, type Measurement, measure } from './measure.ts';
import type { LabelledImages } from './mnist.ts';
import type { Weights } from './weights.ts';

/** P(risk ≤ ε) ≥ 1 − δ, where risk = P(answered at the edge and wrong). */
const edgeRiskBound: RiskBound = { epsilon: 0.003, delta: 0.1 };

export interface DigitsBundle {
  readonly manifest: Manifest;
  /** ONNX bytes by file name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly measurement: Measurement;
}

export interface BundleInputs {
  readonly weights: Weights;
  readonly tuning: LabelledImages;
  readonly proving: LabelledImages;
  readonly test: LabelledImages;
  readonly seed: number;
  readonly epochs: number;
}

export async function buildDigitsBundle(inputs: BundleInputs): Promise<DigitsBundle> {
  const { tuning, proving, test } = inputs;
  const stages = await exportCalibratedCut(inputs.weights, tuning);
  const files = variantFiles(stages);
  const digest = variantDigest(digitsStages, files);

  const exits = calibrateExits(await runExits(stages, tuning), await runExits(stages, proving));
  const rule = defined(exits[0], 'calibration of exit 1');
  const tested = await runExits(stages, test);
  const measurement = measure(tested, rule);
  return {
    manifest: {
      ...describeDigits(inputs, measurement),
      variants: [{ name: 'fp32', digest, files, calibration: { variant: digest, exits } }],
      golden: chooseGolden(test, tested, rule),
    },
    files: new Map([...stages].map(([name, bytes]) => [`${name}.onnx`, bytes])),
    measurement,
  };
}

async function exportCalibratedCut(weights: Weights, tuning: LabelledImages): Promise<StageBytes> {
  const { pixelScale } = digitsRecipe;
  const neck = encodeModel(exportNeck(digitsNetwork, weights, pixelScale));
  const { cut } = await runOverAll(neck, imagesTensor(tuning));
  const cutScales = [chooseCutScale(defined(cut, 'cut').data as Float32Array)];
  const models = exportStages(digitsNetwork, weights, { pixelScale, cutScales });
  return new Map(models.map((model) => [model.graph.name ?? '', encodeModel(model)]));
}

/** Temperatures from one half, the threshold from the other: what it bounds must not have been fitted to its examples. */
function calibrateExits(tuning: ExitOutputs, proving: ExitOutputs): ExitCalibration[] {
  return [
    calibrateExit(1, {
      tuning: scored(tuning.edgeLogits, tuning.labels),
      proving: scored(proving.edgeLogits, proving.labels),
      bound: edgeRiskBound,
    }),
    calibrateLastExit(2, scored(tuning.cloudLogits, tuning.labels)),
  ];
}

const scored = (logits: Tensor, labels: Uint8Array): Scored => ({
  classes: 10,
  logits: logits.data as Float32Array,
  labels,
});

function variantFiles(stages: StageBytes): Variant['files'] {
  return Object.fromEntries(
    [...stages].map(([name, bytes]) => [
      name,
      { path: `${name}.onnx`, bytes: bytes.byteLength, sha256: sha256(bytes) },
    ]),
  );
}
