// Which images train, which calibrate, which test: by the seed that a bundle's lineage names, so that whoever calibrates
// another variant of it later takes images that its training has not seen.

import { createRandom, shuffle } from '@skerry/shared';
import { type ImageSet, type LabelledImages, selectImages } from './labelled-images.ts';

export interface ImageSplit {
  readonly training: LabelledImages;
  /** Chooses temperatures and domains, and the scales of what is quantized. */
  readonly tuning: LabelledImages;
  /** Proves the thresholds: images that nothing was fitted to. */
  readonly proving: LabelledImages;
  readonly test: LabelledImages;
}

const tuningImages = 1000;
const provingImages = 4000;

export function splitImages({ train, test }: ImageSet, seed: number): ImageSplit {
  const order = shuffle(
    Uint32Array.from({ length: train.count }, (_, i) => i),
    createRandom(seed),
  );
  const heldOut = tuningImages + provingImages;
  return {
    tuning: selectImages(train, order.subarray(0, tuningImages)),
    proving: selectImages(train, order.subarray(tuningImages, heldOut)),
    training: selectImages(train, order.subarray(heldOut)),
    test,
  };
}
