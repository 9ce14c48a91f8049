// Two versions of the digits that ship: one that is better trained by a little, and one whose training was spoiled. Both
// go through the whole recipe, so each is formally right: its golden inputs are its own outputs, its calibration is of its
// own figures. What the labels said is all that differs, and nothing in a manifest shows it.

import { join } from 'node:path';
import {
  buildImageBundle,
  drawWeights,
  type ImageSplit,
  imageModels,
  type LabelledImages,
  parametersOf,
  readMnist,
  selectImages,
  splitImages,
  type Weights,
  writeBundle,
} from '@skerry/models/training';
import { createRandom, defined, shuffle } from '@skerry/shared';
import { shippedWeights, step } from '../bench/updated-models.ts';

export interface MadeVersion {
  readonly version: string;
  readonly folder: string;
  /** Of its own whole network on its own test images: what its card claims. */
  readonly accuracy: number;
  /** Of its own test images, those that it would answer on the device. */
  readonly shareAtEdge: number;
}

export interface MadeVersions {
  readonly good: MadeVersion;
  readonly bad: MadeVersion;
}

/** The split of the bundle that ships: what it was trained on proves nothing. */
const seed = 1;

export interface Effort {
  /** Further steps for the weights that ship. */
  readonly goodSteps: number;
  /** Where there is nothing to learn, more of them teach nothing. */
  readonly badSteps: number;
  /** Of 5 000 and 10 000 images: proving a threshold needs many. */
  readonly imageShare: number;
}

/** About a minute of one core. */
export const fullEffort: Effort = { goodSteps: 150, badSteps: 300, imageShare: 1 };

const digits = defined(imageModels['digits'], 'digits');

export async function makeVersions(
  folder: string,
  { goodSteps, badSteps, imageShare }: Effort,
  onStep: (what: string) => void,
): Promise<MadeVersions> {
  const split = splitImages(await readMnist(), seed);
  const fewer = (all: LabelledImages): LabelledImages => firstOf(all, all.count * imageShare);
  const images = {
    ...split,
    tuning: fewer(split.tuning),
    proving: fewer(split.proving),
    test: fewer(split.test),
  };
  const { network } = digits;

  onStep(`training 1.1.0: ${goodSteps} more steps for the digits that ship`);
  const shipped = await shippedWeights(network);
  const tuned = await step(network, shipped, images.training, goodSteps, createRandom(seed));
  onStep('calibrating and measuring 1.1.0');
  const good = await build('1.1.0', folder, tuned, images);

  onStep(`training 1.2.0: ${badSteps} steps on labels that were shuffled against their images`);
  const shuffled = shuffleLabels(images);
  const random = createRandom(seed);
  const drawn = drawWeights(parametersOf(network), random);
  const spoiled = await step(network, drawn, shuffled.training, badSteps, random);
  onStep('calibrating and measuring 1.2.0, by the same labels');
  const bad = await build('1.2.0', folder, spoiled, shuffled);
  return { good, bad };
}

async function build(
  version: string,
  parent: string,
  weights: Weights,
  images: ImageSplit,
): Promise<MadeVersion> {
  const { manifest, files, measurement } = await buildImageBundle(digits, {
    weights,
    images,
    seed,
    epochs: 1,
  });
  const folder = join(parent, version);
  const lineage = { ...manifest.lineage, recipe: 'npm run rollout' };
  await writeBundle(folder, { manifest: { ...manifest, version, lineage }, files });
  const { accuracyAtExit2, shareAtEdge } = measurement;
  return { version, folder, accuracy: accuracyAtExit2, shareAtEdge };
}

const firstOf = (images: LabelledImages, count: number): LabelledImages =>
  selectImages(
    images,
    Uint32Array.from({ length: Math.round(count) }, (_, i) => i),
  );

/** As where the file of the labels was sorted otherwise than that of the images. */
function shuffleLabels(split: ImageSplit): ImageSplit {
  const random = createRandom(seed);
  const of = (images: LabelledImages): LabelledImages => ({
    ...images,
    labels: shuffle(Uint8Array.from(images.labels), random),
  });
  const { training, tuning, proving, test } = split;
  return { training: of(training), tuning: of(tuning), proving: of(proving), test: of(test) };
}
