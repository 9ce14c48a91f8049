// One step of a bottleneck's training as an ONNX graph: what the uncut network had at the cut, and the logits that it
// gave, go in; out come how far the bottleneck is from both, and which way its weights would have to move. The cut is
// rounded as its bytes will be, and the gradient goes straight through the rounding (arXiv 1308.3432). The network behind
// the cut stays as it is.

import { defined } from '@skerry/shared';
import { type ExtendedGraph, extendGraph } from '../onnx/extend-graph.ts';
import { type GraphIndex, valuesRead } from '../onnx/graph-index.ts';
import type { ModelProto, NodeProto } from '../onnx/model-proto.ts';
import { scalar } from '../training/constants.ts';
import { emitFrozen, type FrozenNodes, gradientStopsAt } from '../training/frozen-gradient.ts';
import type { Gradient } from '../training/layers/layer.ts';
import { emitChain } from '../training/network.ts';
import { softmaxCrossEntropy } from '../training/softmax-cross-entropy.ts';
import { type Bottleneck, bottleneckShapes } from './bottleneck.ts';
import type { Cut } from './find-cuts.ts';

export const bottleneckStepNames = {
  activation: 'bottleneck.activation',
  teacher: 'bottleneck.teacher',
  scale: 'bottleneck.scale',
  least: 'bottleneck.least',
  most: 'bottleneck.most',
  /** Cross-entropy of the logits' shares to the uncut network's; absent where the gradient does not reach them. */
  distilled: 'bottleneck.distilled',
  /** Of the cut's variance, the share that is lost. */
  lost: 'bottleneck.lost',
  gradient: (parameter: string): string => `${parameter}.gradient`,
} as const;
const names = bottleneckStepNames;

export interface BottleneckStep {
  readonly model: ModelProto;
  readonly cut: Cut;
  /** The value of the logits, [batch, classes]. */
  readonly logits: string;
  readonly index: GraphIndex;
  shapeOf(value: string): readonly number[];
  readonly batch: number;
  /** Of the values at the cut. */
  readonly variance: number;
}

export interface BottleneckStepGraph {
  readonly model: ModelProto;
  /** The operator that keeps the gradient from the logits: then the activations alone are learned from. */
  readonly stoppedBy: string | undefined;
}

export function createBottleneckStep(
  bottleneck: Bottleneck,
  step: BottleneckStep,
): BottleneckStepGraph {
  const { batch, cut } = step;
  const graph = extendGraph(step.model);
  const shapes = bottleneckShapes(bottleneck);
  const activation = graph.input(names.activation, 'FP32', [batch, ...bottleneck.encoder.input]);
  for (const [name, shape] of shapes) graph.input(name, 'FP32', shape);
  const same = (name: string): string => name;
  const encoder = emitChain(graph, bottleneck.encoder, { input: activation, training: true }, same);
  const held = emitRounding(graph, encoder.output);
  const decoder = emitChain(
    graph,
    bottleneck.decoder,
    { input: held.output, training: true },
    same,
  );
  graph.add('Identity', [decoder.output], {}, cut.value);
  const lost = emitLost(graph, activation, step, decoder.output);
  const frozen = frozenOf(step);
  const stoppedBy = gradientStopsAt(frozen);
  const distilled = stoppedBy === undefined ? emitDistilled(graph, step, frozen) : undefined;
  const atCut = distilled === undefined ? lost : graph.add('Add', [lost, distilled]);
  const gradients = new Map<string, Gradient>();
  const atCode = decoder.backward(atCut, gradients).input();
  encoder.backward(held.backward(atCode), gradients);
  for (const [name, shape] of shapes) {
    const gradient = defined(gradients.get(name), name);
    graph.add('Identity', [gradient()], {}, names.gradient(name));
    graph.output(names.gradient(name), 'FP32', shape);
  }
  return { model: graph.build(), stoppedBy };
}

/** To the nearest of the byte's values; what lies outside them is clipped, and learns nothing. */
function emitRounding(graph: ExtendedGraph, code: string) {
  const [scale, least, most] = [names.scale, names.least, names.most].map((name) =>
    graph.input(name, 'FP32', []),
  ) as [string, string, string];
  const clipped = graph.add('Clip', [code, least, most]);
  const steps = graph.add('Round', [graph.add('Div', [clipped, scale])]);
  return {
    output: graph.add('Mul', [steps, scale]),
    backward: (gradient: string): string =>
      graph.add('Where', [graph.add('Equal', [code, clipped]), gradient, scalar(graph, 0)]),
  };
}

/** The mean square of what decoding misses, over the variance; returns its gradient. */
function emitLost(
  graph: ExtendedGraph,
  activation: string,
  { batch, variance }: BottleneckStep,
  decoded: string,
): string {
  const missed = graph.add('Sub', [decoded, activation]);
  const mean = graph.add('ReduceMean', [graph.add('Mul', [missed, missed])], { keepdims: 0 });
  graph.add('Mul', [mean, scalar(graph, 1 / variance)], {}, names.lost);
  graph.output(names.lost, 'FP32', []);
  // The mean over the places of an example is left out: each place counts, as each logit does.
  return graph.add('Mul', [missed, scalar(graph, (2 * lostWeight) / (batch * variance))]);
}

/** Beside the cross-entropy of one example: the logits decide, and where they do not care the activations do. */
const lostWeight = 0.0001;

/** Returns the gradient of the cross-entropy by what is decoded. */
function emitDistilled(graph: ExtendedGraph, step: BottleneckStep, frozen: FrozenNodes): string {
  const { batch, logits, cut } = step;
  const classes = step.shapeOf(logits).slice(1);
  const teacher = graph.input(names.teacher, 'FP32', [batch, ...classes]);
  for (const node of constantNodes(step)) graph.keep(node);
  const backward = emitFrozen(graph, frozen);
  const shares = graph.add('Softmax', [teacher], { axis: 1 });
  const loss = softmaxCrossEntropy(graph, logits, {
    targets: shares,
    rows: scalar(graph, batch),
    temperature: scalar(graph, 1),
  });
  graph.add('Identity', [loss.value], {}, names.distilled);
  graph.output(names.distilled, 'FP32', []);
  return defined(backward(new Map([[logits, loss.gradient]])).get(cut.value), 'a gradient');
}

/** What lies between the cut and the logits. */
function frozenOf({ cut, logits, index, shapeOf }: BottleneckStep): FrozenNodes {
  const moved = new Set([cut.value, ...cut.behind.flatMap(({ output }) => output)]);
  const needed = nodesFor(index, [logits]);
  return {
    nodes: cut.behind.filter((node) => needed.has(node)),
    shapeOf,
    isMoved: (value) => moved.has(value),
  };
}

/** Nodes that the logits need and that read constants alone. */
function constantNodes({ cut, logits, index }: BottleneckStep): NodeProto[] {
  const behind = new Set(cut.behind);
  const isNoConstant = (node: NodeProto): boolean => node.output.includes(cut.value);
  const needed = nodesFor(index, [logits], (node) => isNoConstant(node));
  return index.graph.node.filter((node) => needed.has(node) && !behind.has(node));
}

/** The nodes that make these values, from wherever they begin; none at or before one that `ends`. */
function nodesFor(
  index: GraphIndex,
  values: readonly string[],
  ends: (node: NodeProto) => boolean = () => false,
): Set<NodeProto> {
  const needed = new Set<NodeProto>();
  const open = [...values];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const node = index.producerOf(value);
    if (node === undefined || needed.has(node) || ends(node)) continue;
    needed.add(node);
    open.push(...valuesRead(node));
  }
  return needed;
}
