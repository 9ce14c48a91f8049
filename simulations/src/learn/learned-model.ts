// What the virtual clients of a trial train, and as what it begins: a network from drawn weights, or the graph of a model that
// has learned something already, whole or its head alone.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zooDirectory } from '@skerry/models/node';
import { encodeModel } from '@skerry/models/onnx';
import {
  createOnnxTrainer,
  exportStages,
  knownNetworks,
  layoutOf,
  openGraphTrainer,
  type ParameterLayout,
  type Trainer,
  type TrainScope,
  tensorsOf,
  trainableOf,
} from '@skerry/models/training';
import { defined } from '@skerry/shared';
import { expectOk } from '../fleet-update/expect-ok.ts';
import { streamOf } from './draws.ts';
import { readUprightDigits } from './examples.ts';
import { drawInitial, type LearnNetwork, learnNetworks } from './learn-network.ts';
import { tensorOf } from './slow-trainer.ts';

/** Of the digits that ship, what devices run; or of a 2NN that has learned upright digits. */
export interface LearnGraph {
  readonly graph: 'digits' | '2nn';
  readonly trains: TrainScope;
}

/** As it crosses threads. */
export type LearnedModel =
  | { readonly kind: 'network'; readonly name: LearnNetwork }
  | { readonly kind: 'graph'; readonly model: Uint8Array; readonly trains: TrainScope };

export interface Beginning {
  readonly model: LearnedModel;
  readonly layout: ParameterLayout;
  readonly initial: Float32Array<ArrayBuffer>;
}

const logits = 'logits';

export async function beginningOf(
  learns: LearnNetwork | LearnGraph,
  seed: number,
): Promise<Beginning> {
  if (typeof learns === 'string') {
    const layout = layoutOf(trainableOf(learnNetworks[learns]));
    const initial = drawInitial(layout, streamOf(seed, 'initial'));
    return { model: { kind: 'network', name: learns }, layout, initial };
  }
  const { graph, trains } = learns;
  const model =
    graph === '2nn' ? await learnUpright(seed) : await readFile(join(zooDirectory, digitsFile));
  const { trainer, weights } = expectOk(await openGraphTrainer(model, { trains, output: logits }));
  const { layout } = trainer;
  await trainer.close();
  return { model: { kind: 'graph', model, trains }, layout, initial: weights };
}

const digitsFile = join('digits', 'edge.onnx');

export async function openTrainer(learned: LearnedModel): Promise<Trainer> {
  if (learned.kind === 'network')
    return createOnnxTrainer(trainableOf(learnNetworks[learned.name]));
  const { model, trains } = learned;
  return expectOk(await openGraphTrainer(model, { trains, output: logits })).trainer;
}

/** ONNX of a 2NN, trained in one place. */
async function learnUpright(seed: number): Promise<Uint8Array> {
  const { network, inputScale } = knownNetworks['2nn'];
  const trainer = createOnnxTrainer(trainableOf(network), { inputScale });
  const { layout } = trainer;
  const initial = drawInitial(layout, streamOf(seed, 'initial'));
  const digits = await readUprightDigits(seed);
  const examples = { input: expectOk(tensorOf(digits)), labels: digits.labels };
  const task = { epochs: 5, batch: 10, learningRate: 0.1, seed };
  const { delta } = expectOk(await trainer.train(initial, examples, task));
  await trainer.close();
  const weights = initial.map((value, i) => value + defined(delta[i], 'a weight'));
  const how = { pixelScale: inputScale, cutScales: [] };
  const [stage] = exportStages(network, tensorsOf(layout, weights), how);
  return encodeModel(defined(stage, 'the stage'));
}
