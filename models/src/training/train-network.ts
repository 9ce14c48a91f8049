// Seeded training of a network: the same seed, data and thread count give the same weights on the same machine.

import { createRandom, defined, type Random, shuffle } from '@skerry/shared';
import { expectOk } from './expect-ok.ts';
import type { LabelledImages } from './labelled-images.ts';
import { type LearningRateSchedule, learningRateAt } from './learning-rate.ts';
import { type Network, parametersOf } from './network.ts';
import { trainableOf } from './network-trainable.ts';
import { createSgd, type Steps } from './sgd.ts';
import { layoutOf, tensorsOf, vectorOf } from './trainable.ts';
import { type WarpOptions, warpImage } from './warp.ts';
import { drawWeights, type Weights } from './weights.ts';

export interface Recipe extends LearningRateSchedule {
  readonly batch: number;
  readonly momentum: number;
  /** L2 penalty on weights, not on biases. */
  readonly weightDecay: number;
  readonly epochs: number;
  /** What a pixel is multiplied by before the first layer. */
  readonly pixelScale: number;
  readonly warp: WarpOptions;
}

export interface StepProgress {
  readonly step: number;
  readonly steps: number;
  /** The batch's mean loss at each exit. */
  readonly losses: readonly number[];
}

export interface TrainOptions {
  readonly seed: number;
  readonly threads: number;
  onStep?(progress: StepProgress): void;
}

/** Steps that cross into the runtime together. */
const stepsPerRun = 16;

export async function trainNetwork(
  network: Network,
  images: LabelledImages,
  recipe: Recipe,
  options: TrainOptions,
): Promise<Weights> {
  const random = createRandom(options.seed);
  const trainable = trainableOf(network);
  const layout = layoutOf(trainable);
  const initial = vectorOf(layout, drawWeights(parametersOf(network), random));
  const { momentum, weightDecay } = recipe;
  const { threads } = options;
  const sgd = expectOk(await createSgd(trainable, initial, { momentum, weightDecay, threads }));
  const classes = defined(trainable.exits[0], 'an exit').classes;
  const batches = createBatches(images, classes, recipe, random);
  const steps = recipe.epochs * Math.floor(images.count / recipe.batch);
  for (let step = 0; step < steps; step += stepsPerRun) {
    const run = Array.from({ length: Math.min(stepsPerRun, steps - step) }, (_, i) => step + i);
    const taken = expectOk(
      await sgd.run({
        ...batches.next(run.length),
        rows: run.map(() => recipe.batch),
        learningRates: run.map((each) => learningRateAt(each, steps, recipe)),
      }),
    );
    for (const [i, losses] of taken.entries())
      options.onStep?.({ step: step + i + 1, steps, losses });
  }
  await sgd.close();
  return tensorsOf(layout, sgd.parameters());
}

/** Endless batches: every image once an epoch, in a new order, warped anew. */
function createBatches(images: LabelledImages, classes: number, recipe: Recipe, random: Random) {
  const size = images.height * images.width;
  const order = Uint32Array.from({ length: images.count }, (_, i) => i);
  let at = order.length;
  return {
    /** The next `count` batches, one after the other. */
    next(count: number): Pick<Steps, 'examples' | 'targets'> {
      const examples = new Float32Array(count * recipe.batch * size);
      const targets = new Float32Array(count * recipe.batch * classes);
      for (let i = 0; i < count * recipe.batch; i++) {
        if (i % recipe.batch === 0 && at + recipe.batch > order.length) {
          shuffle(order, random);
          at = 0;
        }
        const index = order[at++] as number;
        const source = images.pixels.subarray(index * size, (index + 1) * size);
        const target = examples.subarray(i * size, (i + 1) * size);
        warpImage(source, target, images, recipe.pixelScale, recipe.warp, random);
        targets[i * classes + (images.labels[index] as number)] = 1;
      }
      return { examples, targets };
    },
  };
}
