// Seeded training of a network: the same seed, data and thread count give the same weights on the same machine.

import { createRandom, type Random, shuffle } from '@skerry/shared';
import type { LabelledImages } from './labelled-images.ts';
import { type LearningRateSchedule, learningRateAt } from './learning-rate.ts';
import { type Network, parametersOf } from './network.ts';
import type { StepOptions } from './step-graph.ts';
import { type Batch, createTrainer } from './trainer.ts';
import { type WarpOptions, warpImage } from './warp.ts';
import { drawWeights, type Weights } from './weights.ts';

export interface Recipe extends StepOptions, LearningRateSchedule {
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

export async function trainNetwork(
  network: Network,
  images: LabelledImages,
  recipe: Recipe,
  options: TrainOptions,
): Promise<Weights> {
  const random = createRandom(options.seed);
  const initial = drawWeights(parametersOf(network), random);
  const trainer = await createTrainer(network, initial, { ...recipe, threads: options.threads });
  const batches = createBatches(images, recipe, random);
  const steps = recipe.epochs * Math.floor(images.count / recipe.batch);
  for (let step = 0; step < steps; step++) {
    const losses = await trainer.step(batches.next(), learningRateAt(step, steps, recipe));
    options.onStep?.({ step: step + 1, steps, losses });
  }
  await trainer.close();
  return trainer.weights();
}

/** Endless batches: every image once an epoch, in a new order, warped anew. */
function createBatches(images: LabelledImages, recipe: Recipe, random: Random) {
  const size = images.height * images.width;
  const order = Uint32Array.from({ length: images.count }, (_, i) => i);
  let at = order.length;
  return {
    next(): Batch {
      if (at + recipe.batch > order.length) {
        shuffle(order, random);
        at = 0;
      }
      const pixels = new Float32Array(recipe.batch * size);
      const labels = new BigInt64Array(recipe.batch);
      for (let i = 0; i < recipe.batch; i++) {
        const index = order[at + i] as number;
        const source = images.pixels.subarray(index * size, (index + 1) * size);
        const target = pixels.subarray(i * size, (i + 1) * size);
        warpImage(source, target, images, recipe.pixelScale, recipe.warp, random);
        labels[i] = BigInt(images.labels[index] as number);
      }
      at += recipe.batch;
      const shape = [recipe.batch, 1, images.height, images.width];
      return {
        images: { datatype: 'FP32', shape, data: pixels },
        labels: { datatype: 'INT64', shape: [recipe.batch], data: labels },
      };
    },
  };
}
