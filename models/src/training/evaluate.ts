// Runs stages over many images.

import type { Manifest } from '../bundle/manifest.ts';
import { type Examples, runStages, type StageBytes } from '../bundle/run-stages.ts';
import type { Observed } from '../calibration/observed.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import { expectOk } from './expect-ok.ts';
import type { LabelledImages } from './labelled-images.ts';

export const examplesOf = ({ count, height, width, pixels, labels }: LabelledImages): Examples => ({
  input: { datatype: 'UINT8', shape: [count, 1, height, width], data: pixels },
  labels,
});

/** One an exit, in order; throws where the runtime fails. */
export const observeExits = async (
  manifest: Pick<Manifest, 'stages' | 'exits' | 'labels'>,
  stages: StageBytes,
  images: LabelledImages,
): Promise<readonly Observed[]> =>
  expectOk(await runStages(manifest, stages, examplesOf(images), createOnnxDirectRuntime()));
