// Examples that nobody has trained on, as an operator gives them: two IDX files, of images and of their labels. What tunes,
// what proves and what judges is drawn apart by a seed.

import { createRandom, err, failure, messageOf, ok, type Result, shuffle } from '@skerry/shared';
import type { CalibrationExamples, Examples } from '../../bundle/run-stages.ts';
import { examplesOf } from '../../training/evaluate.ts';
import { type LabelledImages, parseIdx, selectImages } from '../../training/labelled-images.ts';

/** The share that tunes, and the share that judges the result; the others prove. */
const tuningShare = 0.2;
const testShare = 0.2;

export interface HeldOutFiles {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** Fails with `invalid_argument`. */
export function readHeldOut(
  { images, labels }: HeldOutFiles,
  seed: number,
): Result<CalibrationExamples> {
  const read = readImages({ images, labels });
  if (!read.ok) return read;
  const order = shuffle(
    Uint32Array.from({ length: read.value.count }, (_, i) => i),
    createRandom(seed),
  );
  const part = (from: number, to: number): Examples => {
    const [start, end] = [from, to].map((share) => Math.floor(read.value.count * share));
    return examplesOf(selectImages(read.value, order.subarray(start, end)));
  };
  return ok({
    tuning: part(0, tuningShare),
    proving: part(tuningShare, 1 - testShare),
    test: part(1 - testShare, 1),
  });
}

/** Of fewer there is nothing to be said. */
const imagesMin = 50;

function readImages(files: HeldOutFiles): Result<LabelledImages> {
  try {
    const images = parseIdx(Uint8Array.from(files.images));
    const labels = parseIdx(Uint8Array.from(files.labels));
    const [count = 0, height = 0, width = 0, ...more] = images.shape;
    if (more.length > 0 || width === 0 || labels.shape.join() !== String(count))
      return err(failure('invalid_argument', 'held-out files that are no images and their labels'));
    if (count < imagesMin)
      return err(failure('invalid_argument', `${count} held-out images; ${imagesMin} at least`));
    return ok({ height, width, count, pixels: images.data, labels: labels.data });
  } catch (thrown) {
    return err(failure('invalid_argument', `held-out examples: ${messageOf(thrown)}`));
  }
}
