// Seeded training of a network: the same seed, data and thread count give the same weights on the same machine.

import { assert, createRandom, type Random, type Result, shuffle } from '@skerry/shared';
import * as ort from 'onnxruntime-node';
import { encodeModel } from '../onnx/model-proto.ts';
import { createOrtSession } from '../runtime/ort-session.ts';
import type { Session } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor.ts';
import { sizeOf } from './layers/layer.ts';
import type { LabelledImages } from './mnist.ts';
import { type Network, type Parameter, parametersOf } from './network.ts';
import { createStepGraph, type StepOptions, stepNames } from './step-graph.ts';
import { type WarpOptions, warpImage } from './warp.ts';

export interface Recipe extends StepOptions {
  readonly epochs: number;
  readonly learningRateMax: number;
  readonly warmupSteps: number;
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

/** Weights by parameter name. */
export type Weights = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

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
  const parameters = parametersOf(network);
  const trainer = await createTrainer(network, recipe, drawWeights(parameters, random), options);
  const batches = createBatches(images, recipe, random);
  const steps = recipe.epochs * Math.floor(images.count / recipe.batch);
  for (let step = 0; step < steps; step++) {
    const losses = await trainer.step(batches.next(), learningRateAt(step, steps, recipe));
    options.onStep?.({ step: step + 1, steps, losses });
  }
  await trainer.close();
  return trainer.weights();
}

/** He initialisation (arXiv 1502.01852): variance 2 / fan-in keeps the signal's size through ReLUs. Biases are 0. */
export function drawWeights(parameters: readonly Parameter[], random: Random): Weights {
  return new Map(
    parameters.map(({ name, shape, fanIn }) => {
      const deviation = shape.length === 1 ? 0 : Math.sqrt(2 / fanIn);
      return [
        name,
        Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.gaussian()),
      ];
    }),
  );
}

/** Linear warm-up, then half a cosine down to 0 (arXiv 1608.03983). */
export function learningRateAt(
  step: number,
  steps: number,
  { learningRateMax, warmupSteps }: Pick<Recipe, 'learningRateMax' | 'warmupSteps'>,
): number {
  if (step < warmupSteps) return (learningRateMax * (step + 1)) / warmupSteps;
  const done = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  return (learningRateMax * (1 + Math.cos(Math.PI * done))) / 2;
}

interface Batch {
  readonly images: Tensor;
  readonly labels: Tensor;
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

/** Holds weights and momenta between the steps that a session computes. */
export async function createTrainer(
  network: Network,
  options: StepOptions,
  initial: Weights,
  { threads }: Pick<TrainOptions, 'threads'>,
) {
  const parameters = parametersOf(network);
  const graph = encodeModel(createStepGraph(network, options));
  const session: Session = expectOk(await createOrtSession(ort, graph, ['cpu'], { threads }));
  const state: Record<string, Tensor> = {};
  for (const { name, shape } of parameters) {
    const data = initial.get(name) as Float32Array<ArrayBuffer>;
    state[stepNames.weight(name)] = { datatype: 'FP32', shape, data };
    state[stepNames.momentum(name)] = {
      datatype: 'FP32',
      shape,
      data: new Float32Array(data.length),
    };
  }
  return {
    /** Takes one step; returns the batch's mean loss at each exit, before it. */
    async step(batch: Batch, learningRate: number): Promise<number[]> {
      const outputs = expectOk(
        await session.run({
          ...state,
          [stepNames.images]: batch.images,
          [stepNames.labels]: batch.labels,
          [stepNames.learningRate]: {
            datatype: 'FP32',
            shape: [],
            data: Float32Array.of(learningRate),
          },
        }),
      );
      for (const { name } of parameters) {
        state[stepNames.weight(name)] = outputs[stepNames.newWeight(name)] as Tensor;
        state[stepNames.momentum(name)] = outputs[stepNames.newMomentum(name)] as Tensor;
      }
      return network.segments.map((_, i) => Number(outputs[stepNames.loss(i + 1)]?.data[0]));
    },
    weights: (): Weights =>
      new Map(
        parameters.map(({ name }) => [
          name,
          state[stepNames.weight(name)]?.data as Float32Array<ArrayBuffer>,
        ]),
      ),
    close: () => session.close(),
  };
}

/** Training has nobody to hand a Failure to. */
export function expectOk<T>(result: Result<T>): T {
  assert(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}
