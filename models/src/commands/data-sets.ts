// Labelled examples as calibration takes them: a data set of the repository's own recipes, of which the bundle's training
// has kept some out; or two IDX files, of which the caller says that it has not seen them.

import { createRandom, err, failure, messageOf, ok, type Result, shuffle } from '@skerry/shared';
import type { CalibrationExamples } from '../bundle/run-stages.ts';
import { examplesOf } from '../training/evaluate.ts';
import { readFashionMnist } from '../training/fashion-mnist.ts';
import {
  type LabelledImages,
  readLabelledImages,
  selectImages,
} from '../training/labelled-images.ts';
import { readMnist } from '../training/mnist.ts';
import { splitImages } from '../training/split-images.ts';

const recipes: Readonly<Record<string, typeof readMnist>> = {
  mnist: readMnist,
  fashion: readFashionMnist,
};

/** Of two files, the share that tunes, and the share that measures the result; the others prove. */
const tuningShare = 0.2;
const testShare = 0.2;

export const dataDescription = `${Object.keys(recipes).join(' or ')}, or IMAGES,LABELS: two IDX files`;

/** `seed` is the bundle's, whose training has kept the images out. Fails with `invalid_config`. */
export async function openDataSet(
  name: string,
  seed: number,
): Promise<Result<CalibrationExamples>> {
  try {
    const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
    if (recipe) {
      const { tuning, proving, test } = splitImages(await recipe(), seed);
      return ok({
        tuning: examplesOf(tuning),
        proving: examplesOf(proving),
        test: examplesOf(test),
      });
    }
    const [images, labels, ...more] = name.split(',');
    if (!images || !labels || more.length > 0)
      return err(failure('invalid_config', `--data takes ${dataDescription}, got '${name}'`));
    return ok(splitFiles(await readLabelledImages({ path: images }, { path: labels }), seed));
  } catch (thrown) {
    return err(failure('invalid_config', `--data ${name}: ${messageOf(thrown)}`));
  }
}

/** In a drawn order: a file may be sorted by label. */
function splitFiles(images: LabelledImages, seed: number): CalibrationExamples {
  const order = shuffle(
    Uint32Array.from({ length: images.count }, (_, i) => i),
    createRandom(seed),
  );
  const part = (from: number, to: number) => {
    const [start, end] = [from, to].map((share) => Math.floor(images.count * share));
    return examplesOf(selectImages(images, order.subarray(start, end)));
  };
  return {
    tuning: part(0, tuningShare),
    proving: part(tuningShare, 1 - testShare),
    test: part(1 - testShare, 1),
  };
}
