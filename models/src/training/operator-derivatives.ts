// The derivatives that every backward pass through an ONNX graph has in common: whether weights are trained on the way or
// stay as they are, an operator's gradient by its first input is the same, and at a bound it is nought.

import type { GraphBuilder } from '../onnx/graph-builder.ts';
import { floatAttribute, intAttribute } from '../onnx/graph-index.ts';
import type { NodeProto } from '../onnx/model-proto.ts';
import { int64s, scalar } from './constants.ts';
import { type Shape, sizeOf } from './layers/layer.ts';

/** A node, and the gradient of the loss by its output. */
export interface Differentiated {
  readonly node: NodeProto;
  /** The graph's values of its inputs; an empty one is left out. */
  readonly inputs: readonly string[];
  readonly output: string;
  /** As they were with one example. */
  readonly shapes: readonly Shape[];
  readonly outputShape: Shape;
  readonly gradient: string;
}

/** Emits d loss / d its first input. */
type Derivative = (graph: GraphBuilder, at: Differentiated) => string;

const reshaped: Derivative = (graph, { inputs: [input = ''], gradient }) =>
  graph.add('Reshape', [gradient, graph.add('Shape', [input])]);

const where = (graph: GraphBuilder, passes: string, gradient: string): string =>
  graph.add('Where', [passes, gradient, scalar(graph, 0)]);

/** Over all places of a channel. */
const averaged: Derivative = (graph, { inputs: [input = ''], shapes, outputShape, gradient }) => {
  const [shape = []] = shapes;
  const [, channels = 1, ...places] = shape;
  const apart = int64s(graph, [-1, channels, ...places.map(() => 1)]);
  const share = scalar(graph, sizeOf(outputShape) / sizeOf(shape));
  const even = graph.add('Mul', [graph.add('Reshape', [gradient, apart]), share]);
  return graph.add('Expand', [even, graph.add('Shape', [input])]);
};

const clipped: Derivative = (graph, { inputs: [input = '', low = '', high = ''], gradient }) => {
  const inside = [
    ...(low ? [graph.add('Greater', [input, low])] : []),
    ...(high ? [graph.add('Less', [input, high])] : []),
  ];
  const passes = inside.length === 2 ? graph.add('And', inside) : inside[0];
  return passes === undefined ? gradient : where(graph, passes, gradient);
};

/** As it is when it runs: its statistics, scale and shift stay as they are. */
const normalized: Derivative = (graph, { node, inputs, shapes, gradient }) => {
  const [, scale = '', , , variance = ''] = inputs;
  const epsilon = scalar(graph, floatAttribute(node, 'epsilon', 1e-5));
  const deviation = graph.add('Sqrt', [graph.add('Add', [variance, epsilon])]);
  // Along the channels, of images and of features alike.
  const places = (shapes[0] ?? []).slice(2);
  const apart = int64s(graph, [-1, ...places.map(() => 1)]);
  const slope = graph.add('Reshape', [graph.add('Div', [scale, deviation]), apart]);
  return graph.add('Mul', [gradient, slope]);
};

export const derivatives = {
  averaged,
  clipped,
  gemm: (graph, { node, inputs: [, weight = ''], gradient }) =>
    graph.add('Gemm', [gradient, weight], {
      transB: 1 - intAttribute(node, 'transB', 0),
      alpha: { float: floatAttribute(node, 'alpha', 1) },
    }),
  matMul: (graph, { inputs: [, weight = ''], gradient }) =>
    graph.add('MatMul', [gradient, graph.add('Transpose', [weight], { perm: [1, 0] })]),
  normalized,
  relu: (graph, { output, gradient }) =>
    where(graph, graph.add('Greater', [output, scalar(graph, 0)]), gradient),
  reshaped,
} as const satisfies Readonly<Record<string, Derivative>>;

const standardDomains: ReadonlySet<string> = new Set(['', 'ai.onnx']);

/** What a table has for a node's operator: one of the same name in another domain is another operator. */
export const ofOperator = <T>(
  table: Readonly<Record<string, T>>,
  { opType, domain = '' }: NodeProto,
): T | undefined =>
  standardDomains.has(domain) && Object.hasOwn(table, opType) ? table[opType] : undefined;
