// Data sets by name, as calibration takes them: split by the seed that the bundle was trained with, so that nothing
// calibrates on what has trained.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { CalibrationExamples, Examples } from '../bundle/run-stages.ts';
import { imagesTensor } from '../training/evaluate.ts';
import { type LabelledImages, readMnist } from '../training/mnist.ts';
import { splitImages } from '../training/split-images.ts';

export const dataSets = ['mnist'] as const;

export async function openDataSet(
  name: string,
  seed: number,
): Promise<Result<CalibrationExamples>> {
  if (name !== 'mnist')
    return err(failure('invalid_config', `no data set is named ${name}; there are ${dataSets}`));
  const { tuning, proving, test } = splitImages(await readMnist(), seed);
  return ok({ tuning: examplesOf(tuning), proving: examplesOf(proving), test: examplesOf(test) });
}

const examplesOf = (images: LabelledImages): Examples => ({
  input: imagesTensor(images),
  labels: images.labels,
});
