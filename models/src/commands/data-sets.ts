// Labelled examples as calibration takes them: a data set of the repository's own recipes, of which the bundle's training
// has kept some out; or two IDX files, of which the caller says that it has not seen them.

import { createRandom, err, failure, messageOf, ok, type Result, shuffle } from '@skerry/shared';
import type { CalibrationExamples, Examples } from '../bundle/run-stages.ts';
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
  return openParts(
    name,
    async (recipe) => {
      const { tuning, proving, test } = splitImages(await recipe(), seed);
      return {
        tuning: examplesOf(tuning),
        proving: examplesOf(proving),
        test: examplesOf(test),
      };
    },
    (images) => splitFiles(images, seed),
  );
}

/** Something to learn from, and something to be judged by. */
export interface TrainingExamples {
  readonly training: Examples;
  readonly test: Examples;
}

/** Of two files, what `openDataSet` tunes and proves with trains. Fails with `invalid_config`. */
export async function openTrainingSet(
  name: string,
  seed: number,
  trainingMax: number,
): Promise<Result<TrainingExamples>> {
  const first = (images: LabelledImages): Examples =>
    examplesOf(
      selectImages(
        images,
        Uint32Array.from({ length: Math.min(trainingMax, images.count) }, (_, i) => i),
      ),
    );
  return openParts(
    name,
    async (recipe) => {
      const { training, test } = splitImages(await recipe(), seed);
      return { training: first(training), test: examplesOf(test) };
    },
    (images) => {
      const part = drawParts(images, seed);
      return { training: first(part(0, 1 - testShare)), test: examplesOf(part(1 - testShare, 1)) };
    },
  );
}

async function openParts<T>(
  name: string,
  ofRecipe: (recipe: typeof readMnist) => Promise<T>,
  ofFiles: (images: LabelledImages) => T,
): Promise<Result<T>> {
  try {
    const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
    if (recipe) return ok(await ofRecipe(recipe));
    const [images, labels, ...more] = name.split(',');
    if (!images || !labels || more.length > 0)
      return err(failure('invalid_config', `--data takes ${dataDescription}, got '${name}'`));
    return ok(ofFiles(await readLabelledImages({ path: images }, { path: labels })));
  } catch (thrown) {
    return err(failure('invalid_config', `--data ${name}: ${messageOf(thrown)}`));
  }
}

function splitFiles(images: LabelledImages, seed: number): CalibrationExamples {
  const part = drawParts(images, seed);
  return {
    tuning: examplesOf(part(0, tuningShare)),
    proving: examplesOf(part(tuningShare, 1 - testShare)),
    test: examplesOf(part(1 - testShare, 1)),
  };
}

/** From one share to another, in a drawn order: a file may be sorted by label. */
function drawParts(images: LabelledImages, seed: number) {
  const order = shuffle(
    Uint32Array.from({ length: images.count }, (_, i) => i),
    createRandom(seed),
  );
  return (from: number, to: number): LabelledImages => {
    const [start, end] = [from, to].map((share) => Math.floor(images.count * share));
    return selectImages(images, order.subarray(start, end));
  };
}
