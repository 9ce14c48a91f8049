// One training step as an ordinary ONNX graph: batch, labels, learning rate, weights and momenta in; losses, new weights
// and new momenta out. It needs no training build of a runtime, so a device can run it as it runs any model.

import { defined } from '@skerry/shared';
import { createGraphBuilder, type GraphBuilder } from '../onnx/graph-builder.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import { int64s, scalar } from './constants.ts';
import type { Shape } from './layers/layer.ts';
import {
  type ChainForward,
  chainsOf,
  emitChain,
  type Network,
  type Parameter,
  parametersOf,
  type SegmentChains,
} from './network.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';

export interface StepOptions {
  readonly batch: number;
  readonly momentum: number;
  /** L2 penalty on weights, not on biases. */
  readonly weightDecay: number;
}

/** The names of the step graph's inputs and outputs. */
export const stepNames = {
  images: 'images',
  labels: 'labels',
  learningRate: 'learning_rate',
  weight: (parameter: string): string => `${parameter}.in`,
  momentum: (parameter: string): string => `${parameter}.momentum.in`,
  newWeight: (parameter: string): string => `${parameter}.out`,
  newMomentum: (parameter: string): string => `${parameter}.momentum.out`,
  /** The unweighted mean loss at exit 1, 2, … */
  loss: (exit: number): string => `loss.${exit}`,
};

/**
 * SGD with momentum on the joint loss Σ lossWeight · cross-entropy at each exit:
 * m ← momentum · m + gradient; w ← w − learning rate · m. Images are FP32 [batch, ...input], labels INT64 [batch].
 */
export function createStepGraph(network: Network, options: StepOptions): ModelProto {
  const graph = createGraphBuilder('training-step');
  const parameters = parametersOf(network);
  const images = graph.input(stepNames.images, 'FP32', [options.batch, ...network.input]);
  const labels = graph.input(stepNames.labels, 'INT64', [options.batch]);
  const learningRate = graph.input(stepNames.learningRate, 'FP32', []);
  for (const { name, shape } of parameters) {
    graph.input(stepNames.weight(name), 'FP32', shape);
    graph.input(stepNames.momentum(name), 'FP32', shape);
  }
  const passes = emitForward(graph, network, images, options.batch);
  const gradients = emitBackward(graph, network, passes, labels, options.batch);
  for (const parameter of parameters)
    emitUpdate(graph, parameter, defined(gradients.get(parameter.name), parameter.name), {
      ...options,
      learningRate,
    });
  return graph.build();
}

interface SegmentPass {
  readonly trunk: ChainForward;
  readonly head: ChainForward;
  readonly neck: ChainForward;
  readonly chains: SegmentChains;
}

function emitForward(
  graph: GraphBuilder,
  network: Network,
  images: string,
  batch: number,
): SegmentPass[] {
  let input = images;
  return chainsOf(network).map((chains) => {
    const trunk = emitChain(graph, chains.trunk, { input, batch }, stepNames.weight);
    const features = { input: trunk.output, batch };
    const head = emitChain(graph, chains.head, features, stepNames.weight);
    const neck = emitChain(graph, chains.neck, features, stepNames.weight);
    input = neck.output;
    return { trunk, head, neck, chains };
  });
}

/** From the last segment to the first: a trunk's gradient is the sum of its head's and of what comes back through its neck. */
function emitBackward(
  graph: GraphBuilder,
  network: Network,
  passes: readonly SegmentPass[],
  labels: string,
  batch: number,
): Map<string, string> {
  const gradients = new Map<string, string>();
  let fromNext: (() => string) | undefined;
  for (const [i, pass] of [...passes.entries()].toReversed()) {
    const loss = softmaxCrossEntropy(graph, pass.head.output, oneHot(graph, labels, pass), {
      batch,
      weight: defined(network.segments[i], 'segment').lossWeight,
    });
    graph.add('Identity', [loss.value], {}, stepNames.loss(i + 1));
    graph.output(stepNames.loss(i + 1), 'FP32', []);
    const fromHead = pass.head.backward(loss.gradient, gradients).input();
    const atBranch =
      fromNext === undefined
        ? fromHead
        : graph.add('Add', [fromHead, pass.neck.backward(fromNext(), gradients).input()]);
    fromNext = pass.trunk.backward(atBranch, gradients).input;
  }
  return gradients;
}

function oneHot(graph: GraphBuilder, labels: string, { chains }: SegmentPass): string {
  const offAndOn = graph.constant({
    datatype: 'FP32',
    shape: [2],
    data: Float32Array.of(0, 1),
  });
  const classes = int64s(graph, [chains.head.output[0] as number]);
  return graph.add('OneHot', [labels, classes, offAndOn]);
}

function emitUpdate(
  graph: GraphBuilder,
  parameter: Parameter,
  gradient: string,
  options: StepOptions & { readonly learningRate: string },
): void {
  const weight = stepNames.weight(parameter.name);
  const decayed = isBias(parameter.shape)
    ? gradient
    : graph.add('Add', [gradient, graph.add('Mul', [weight, scalar(graph, options.weightDecay)])]);
  const kept = graph.add('Mul', [
    stepNames.momentum(parameter.name),
    scalar(graph, options.momentum),
  ]);
  const momentum = graph.add('Add', [kept, decayed], {}, stepNames.newMomentum(parameter.name));
  const change = graph.add('Mul', [momentum, options.learningRate]);
  graph.add('Sub', [weight, change], {}, stepNames.newWeight(parameter.name));
  graph.output(momentum, 'FP32', parameter.shape);
  graph.output(stepNames.newWeight(parameter.name), 'FP32', parameter.shape);
}

const isBias = (shape: Shape): boolean => shape.length === 1;
