// The gradient of a loss by a value inside any ONNX graph, through nodes whose weights stay as they are: what trains
// something put into a network that is done. Where an operator has no rule here there is no gradient, and it is said which.

import { defined } from '@skerry/shared';
import type { ExtendedGraph } from '../onnx/extend-graph.ts';
import { attributeOf, intAttribute } from '../onnx/graph-index.ts';
import type { NodeProto } from '../onnx/model-proto.ts';
import { geometryOf } from './conv-geometry.ts';
import { convInputGradient } from './layers/conv-gradient.ts';
import { derivatives, ofOperator } from './operator-derivatives.ts';

export interface FrozenNodes {
  /** Each depends on the value that the gradient is by, in order of computation. */
  readonly nodes: readonly NodeProto[];
  /** Of any value, as it was with one example. */
  shapeOf(value: string): readonly number[];
  /** Whether it depends on the value that the gradient is by. */
  isMoved(value: string): boolean;
}

interface Rule {
  /** Whether this node is one that the rule is right for. */
  fits?(node: NodeProto, at: FrozenNodes): boolean;
  /** Emits the node forward, where the backward pass needs more of it than its output. */
  forward?(graph: ExtendedGraph, node: NodeProto): string;
  /** d loss / d input, of the input at `place`. */
  backward(graph: ExtendedGraph, pass: Pass): string;
}

interface Pass {
  readonly node: NodeProto;
  readonly at: FrozenNodes;
  readonly place: number;
  readonly input: string;
  readonly output: string;
  readonly gradient: string;
  /** What `forward` gave. */
  readonly kept: string;
}

/** The first operator that no gradient passes; undefined where it passes all. */
export function gradientStopsAt(at: FrozenNodes): string | undefined {
  return at.nodes.find((node) => {
    const rule = ofOperator(rules, node);
    return rule === undefined || (rule.fits !== undefined && !rule.fits(node, at));
  })?.opType;
}

/**
 * Emits the nodes, and returns what emits their backward pass: from gradients by value to those by every value that
 * the nodes read. Only where `gradientStopsAt` finds nothing.
 */
export function emitFrozen(
  graph: ExtendedGraph,
  at: FrozenNodes,
): (gradients: ReadonlyMap<string, string>) => ReadonlyMap<string, string> {
  const kept = at.nodes.map((node) => {
    const { forward } = defined(ofOperator(rules, node), node.opType);
    if (forward !== undefined) return forward(graph, node);
    graph.keep(node);
    return '';
  });
  return (given) => {
    const gradients = new Map(given);
    for (const [i, node] of [...at.nodes.entries()].toReversed()) {
      const output = defined(node.output[0], 'an output');
      const gradient = gradients.get(output);
      if (gradient === undefined) continue;
      for (const [place, input] of node.input.entries()) {
        if (!at.isMoved(input)) continue;
        const pass = { node, at, place, input, output, gradient, kept: kept[i] ?? '' };
        const own = defined(ofOperator(rules, node), node.opType).backward(graph, pass);
        const had = gradients.get(input);
        gradients.set(input, had === undefined ? own : graph.add('Add', [had, own]));
      }
    }
    return gradients;
  };
}

const onlyFirstMoves = ({ input }: NodeProto, at: FrozenNodes): boolean =>
  input.slice(1).every((value) => !at.isMoved(value));

/** Whether what moves is not repeated: then its gradient needs no sum. */
const isNotRepeated = ({ input, output }: NodeProto, at: FrozenNodes): boolean => {
  const shape = at.shapeOf(output[0] ?? '').join();
  return input.every((value) => !at.isMoved(value) || at.shapeOf(value).join() === shape);
};

const passes: Rule = { fits: onlyFirstMoves, backward: (_, { gradient }) => gradient };

/** Of those that whoever trains the weights has, too. */
const shared = (derivative: (typeof derivatives)[keyof typeof derivatives]): Rule => ({
  fits: onlyFirstMoves,
  backward: (graph, { node, at, output, gradient }) =>
    derivative(graph, {
      node,
      inputs: node.input,
      output,
      shapes: node.input.map((value) => (value === '' ? [] : at.shapeOf(value))),
      outputShape: at.shapeOf(output),
      gradient,
    }),
});

/** Of an average over all places of a channel, and nothing else. */
const isOverPlaces = ({ input, output }: NodeProto, at: FrozenNodes): boolean => {
  const [batch, channels, ...places] = at.shapeOf(output[0] ?? '');
  const whole = at.shapeOf(input[0] ?? '');
  return batch === whole[0] && channels === whole[1] && places.every((place) => place === 1);
};

const isPaddedByNumbers = (node: NodeProto): boolean => {
  const padding = attributeOf(node, 'auto_pad')?.s;
  return padding === undefined || new TextDecoder().decode(padding) === 'NOTSET';
};

const intsOf = (node: NodeProto, name: string): number[] | undefined =>
  attributeOf(node, name)?.ints?.map(Number);

const conv: Rule = {
  fits: onlyFirstMoves,
  backward(graph, { node, at, gradient }) {
    const geometry = geometryOf(node, node.input.map(at.shapeOf));
    const group = intAttribute(node, 'group', 1);
    return convInputGradient(graph, geometry, gradient, defined(node.input[1], 'weights'), group);
  },
};

const maxPool: Rule = {
  /** Tiles that do not overlap: of others MaxUnpool would forget all gradients of a place but one. */
  fits(node) {
    const kernel = intsOf(node, 'kernel_shape')?.join();
    const zeros = [...(intsOf(node, 'pads') ?? [])].every((pad) => pad === 0);
    const plain =
      intAttribute(node, 'ceil_mode', 0) === 0 && intsOf(node, 'dilations') === undefined;
    return kernel === intsOf(node, 'strides')?.join() && zeros && plain && isPaddedByNumbers(node);
  },
  forward(graph, node) {
    const indices = graph.fresh(`${node.output[0]}_indices`);
    graph.keep(node, { output: [defined(node.output[0], 'an output'), indices] });
    return indices;
  },
  backward: (graph, { node, gradient, input, kept }) =>
    graph.add('MaxUnpool', [gradient, kept, graph.add('Shape', [input])], {
      kernel_shape: intsOf(node, 'kernel_shape') ?? [],
      strides: intsOf(node, 'strides') ?? [],
    }),
};

const rules: Readonly<Record<string, Rule>> = {
  Add: { fits: isNotRepeated, backward: (_, { gradient }) => gradient },
  BatchNormalization: shared(derivatives.normalized),
  Clip: shared(derivatives.clipped),
  Conv: conv,
  // Straight through a rounding (arXiv 1308.3432).
  DequantizeLinear: passes,
  Dropout: passes,
  Flatten: shared(derivatives.reshaped),
  Gemm: {
    ...shared(derivatives.gemm),
    fits: (node, at) => onlyFirstMoves(node, at) && intAttribute(node, 'transA', 0) === 0,
  },
  GlobalAveragePool: shared(derivatives.averaged),
  Identity: passes,
  MatMul: {
    ...shared(derivatives.matMul),
    fits: (node, at) => onlyFirstMoves(node, at) && at.shapeOf(node.input[1] ?? '').length === 2,
  },
  MaxPool: maxPool,
  Mul: {
    fits: isNotRepeated,
    backward: (graph, { node, gradient, place }) =>
      graph.add('Mul', [gradient, defined(node.input[1 - place], 'a factor')]),
  },
  QuantizeLinear: passes,
  ReduceMean: {
    ...shared(derivatives.averaged),
    fits: (node, at) => onlyFirstMoves(node, at) && isOverPlaces(node, at),
  },
  Relu: shared(derivatives.relu),
  Reshape: shared(derivatives.reshaped),
  Squeeze: shared(derivatives.reshaped),
  Sub: {
    fits: isNotRepeated,
    backward: (graph, { gradient, place }) =>
      place === 0 ? gradient : graph.add('Neg', [gradient]),
  },
  Unsqueeze: shared(derivatives.reshaped),
};
