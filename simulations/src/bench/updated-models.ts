// Models of ours before and after an update, as ONNX files: what a delta between two versions is measured on.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { decodeModel, decodeTensor, encodeModel } from '@skerry/models/onnx';
import {
  createSgd,
  dense,
  drawWeights,
  exportStages,
  flatten,
  imageModels,
  type LabelledImages,
  layoutOf,
  type Network,
  parametersOf,
  readMnist,
  relu,
  tensorsOf,
  trainableOf,
  vectorOf,
  type Weights,
} from '@skerry/models/training';
import { createRandom, defined, type Random } from '@skerry/shared';
import { expectOk } from './in-process-agent.ts';
import { modelsCommand } from './models-command.ts';

/** The digits that ship, and a network as large as what published figures are of. */
export type UpdatableModel = 'digits' | 'wide';

export interface UpdatedModel {
  readonly name: string;
  readonly base: string;
  readonly target: string;
}

const steps = { batch: 64, momentum: 0.9, weightDecay: 1e-4, learningRate: 0.005 };
const pixelScale = 1 / 127.5;
/** What the two segments of the cut agree on; it is the same before and after. */
const cutScales = [0.05];
const baseSteps = 200;
const tuningSteps = 50;

/** 5.8 million weights. */
const wideNetwork: Network = {
  input: [1, 28, 28],
  segments: [
    {
      name: 'wide',
      lossWeight: 1,
      trunk: [flatten(), dense(2_048), relu(), dense(2_048), relu()],
      head: [dense(10)],
      neck: [],
    },
  ],
};

/** Trains what has to be trained: some minutes. The files lie in `folder`. */
export async function makeUpdatedModels(
  folder: string,
  names: readonly UpdatableModel[],
  onCase: (name: string) => void,
): Promise<readonly UpdatedModel[]> {
  const { train } = await readMnist();
  const digits = defined(imageModels['digits'], 'digits').network;
  const cases = {
    digits: { network: digits, base: () => shippedWeights(digits) },
    wide: { network: wideNetwork, base: () => trained(wideNetwork, train, 1) },
  };
  const models: UpdatedModel[] = [];
  for (const name of names) {
    const { network, base } = cases[name];
    onCase(`training ${name}`);
    const before = await base();
    const tuned = await step(network, before, train, tuningSteps, createRandom(7));
    const updates: Readonly<Record<string, Weights>> = {
      'head fine-tune': onlyHead(before, tuned),
      '50 SGD steps': tuned,
      'full retrain': await trained(network, train, 2),
    };
    const save = async (weights: Weights, as: string) => {
      const exported = exportStages(network, weights, { pixelScale, cutScales });
      const fp32 = join(folder, `${name}-${as.replaceAll(' ', '-')}.onnx`);
      await writeFile(fp32, encodeModel(defined(exported.at(-1), 'a stage')));
      const int8 = fp32.replace('.onnx', '.int8.onnx');
      const how = ['--mode', 'weights', '--weight-bits', '8', '--cosine-min', '0'];
      await modelsCommand('quantize', fp32, '--out', int8, ...how);
      return { fp32, int8 };
    };
    const from = await save(before, 'base');
    for (const [update, weights] of Object.entries(updates)) {
      const to = await save(weights, update);
      for (const build of ['fp32', 'int8'] as const)
        models.push({ name: `${name} ${build}, ${update}`, base: from[build], target: to[build] });
    }
  }
  return models;
}

/** Weights of the digits that ship, by the names that they have in its graphs. */
export async function shippedWeights(network: Network): Promise<Weights> {
  const weights = new Map<string, Float32Array<ArrayBuffer>>();
  for (const stage of ['edge', 'cloud']) {
    const bytes = await readFile(join(zooDirectory, 'digits', `${stage}.onnx`));
    for (const proto of expectOk(decodeModel(bytes)).graph.initializer) {
      const { data } = expectOk(decodeTensor(proto));
      if (proto.name !== undefined && data instanceof Float32Array)
        weights.set(proto.name, Float32Array.from(data));
    }
  }
  return new Map(parametersOf(network).map(({ name }) => [name, defined(weights.get(name), name)]));
}

const trained = (network: Network, images: LabelledImages, seed: number): Promise<Weights> => {
  const random = createRandom(seed);
  return step(network, drawWeights(parametersOf(network), random), images, baseSteps, random);
};

/** Steps of plain SGD with momentum. */
export async function step(
  network: Network,
  from: Weights,
  images: LabelledImages,
  count: number,
  random: Random,
): Promise<Weights> {
  const trainable = trainableOf(network);
  const layout = layoutOf(trainable);
  const { batch, learningRate, ...options } = steps;
  const sgd = expectOk(await createSgd(trainable, vectorOf(layout, from), options));
  const size = images.height * images.width;
  const classes = defined(trainable.exits[0], 'an exit').classes;
  for (let s = 0; s < count; s++) {
    const examples = new Float32Array(batch * size);
    const targets = new Float32Array(batch * classes);
    for (let i = 0; i < batch; i++) {
      const index = random.below(images.count);
      const image = images.pixels.subarray(index * size, (index + 1) * size);
      for (let p = 0; p < size; p++) examples[i * size + p] = (image[p] as number) * pixelScale;
      targets[i * classes + (images.labels[index] as number)] = 1;
    }
    expectOk(await sgd.run({ examples, targets, rows: [batch], learningRates: [learningRate] }));
  }
  await sgd.close();
  return tensorsOf(layout, sgd.parameters());
}

/** As where all but the last layers is frozen. */
function onlyHead(before: Weights, after: Weights): Weights {
  const last = [...before.keys()].filter((name) => name.includes('.head.'));
  return new Map(
    [...before].map(([name, data]) => [
      name,
      last.includes(name) ? defined(after.get(name), name) : data,
    ]),
  );
}
