// How the operators of imported graphs are differentiated: each as it is computed forward, and the gradient of each input
// from the gradient of the output. What has no rule here is refused by name.

import type { GraphBuilder } from '../../onnx/graph-builder.ts';
import { attributeOf, floatAttribute, intAttribute } from '../../onnx/graph-index.ts';
import type { NodeProto } from '../../onnx/model-proto.ts';
import type { Tensor } from '../../tensor.ts';
import { int64s, sumOver } from '../constants.ts';
import { addTo, type Gradient, type Shape } from '../layers/layer.ts';
import { derivatives, ofOperator } from '../operator-derivatives.ts';
import { convRule } from './conv-rule.ts';
import { maxPoolRule } from './max-pool-rule.ts';

/** A node where it is emitted anew. */
export interface Placed {
  readonly node: NodeProto;
  /** The graph's values of its inputs; an empty one is left out. */
  readonly inputs: readonly string[];
  /** As they were seen with one example. */
  readonly shapes: readonly Shape[];
  readonly outputShape: Shape;
  readonly training: boolean;
  constantOf(input: number): Tensor | undefined;
}

export interface EmittedNode {
  readonly output: string;
  /** The gradient of each input; called for those alone that depend on what is trained. */
  backward(gradient: string): readonly (Gradient | undefined)[];
}

export interface OperatorRule {
  /** Inputs that may be weights. */
  readonly weights: readonly number[];
  /** Why the node cannot be differentiated; undefined where it can. */
  refusal?(placed: Placed): string | undefined;
  emit(graph: GraphBuilder, placed: Placed): EmittedNode;
}

/** Values in another shape, example by example: Flatten, Reshape, Squeeze… */
const reshaped: OperatorRule = {
  weights: [],
  refusal: ({ shapes, outputShape }) =>
    shapes[0]?.[0] === outputShape[0] ? undefined : 'moves the batch',
  emit(graph, placed) {
    const {
      inputs: [input = ''],
      outputShape,
    } = placed;
    // 0 keeps the batch, whatever it is.
    const output = graph.add('Reshape', [input, int64s(graph, [0, ...outputShape.slice(1)])]);
    return {
      output,
      backward: (gradient) => [() => derivatives.reshaped(graph, { ...placed, output, gradient })],
    };
  },
};

const same: OperatorRule = {
  weights: [],
  emit: (_, { inputs: [input = ''] }) => ({
    output: input,
    backward: (gradient) => [() => gradient],
  }),
};

const gemm: OperatorRule = {
  weights: [1, 2],
  refusal: ({ node }) =>
    intAttribute(node, 'transA', 0) !== 0 ||
    floatAttribute(node, 'alpha', 1) !== 1 ||
    floatAttribute(node, 'beta', 1) !== 1
      ? 'is transposed or scaled'
      : undefined,
  emit(graph, placed) {
    const { node, inputs, shapes } = placed;
    const [input = ''] = inputs;
    const transB = intAttribute(node, 'transB', 0);
    const output = graph.add('Gemm', inputs, { transB });
    return {
      output,
      backward: (gradient) => [
        () => derivatives.gemm(graph, { ...placed, output, gradient }),
        (plus) => {
          const factors = transB === 1 ? [gradient, input] : [input, gradient];
          return graph.add('Gemm', [...factors, ...(plus ? [plus] : [])], { transA: 1 });
        },
        (plus) => addTo(graph, reduceTo(graph, gradient, 2, shapes[2] ?? []), plus),
      ],
    };
  },
};

const matMul: OperatorRule = {
  weights: [1],
  refusal: ({ shapes }) => (shapes[1]?.length === 2 ? undefined : 'has no matrix on its right'),
  emit(graph, placed) {
    const { inputs, shapes } = placed;
    const [input = ''] = inputs;
    const [rows = 0, columns = 0] = shapes[1] ?? [];
    const flat = (value: string, width: number): string =>
      graph.add('Reshape', [value, int64s(graph, [-1, width])]);
    const output = graph.add('MatMul', inputs);
    return {
      output,
      backward: (gradient) => [
        () => derivatives.matMul(graph, { ...placed, output, gradient }),
        (plus) => {
          const factors = [flat(input, rows), flat(gradient, columns)];
          return graph.add('Gemm', [...factors, ...(plus ? [plus] : [])], { transA: 1 });
        },
      ],
    };
  },
};

const add: OperatorRule = {
  weights: [0, 1],
  emit(graph, { inputs, shapes, outputShape }) {
    return {
      output: graph.add('Add', inputs),
      backward: (gradient) =>
        shapes.map(
          (shape) => (plus?: string) =>
            addTo(
              graph,
              shape.join() === outputShape.join() && shape.length > 1
                ? gradient
                : reduceTo(graph, gradient, outputShape.length, shape),
              plus,
            ),
        ),
    };
  },
};

/** Without weights: emitted as it is, and differentiated as everywhere. */
const plain = (derivative: (typeof derivatives)[keyof typeof derivatives]): OperatorRule => ({
  weights: [],
  emit(graph, placed) {
    const { node, inputs } = placed;
    const output = graph.add(node.opType, inputs);
    return {
      output,
      backward: (gradient) => [() => derivative(graph, { ...placed, output, gradient })],
    };
  },
});

const batchNormalization: OperatorRule = {
  weights: [],
  refusal: (placed) =>
    [1, 2, 3, 4].every((input) => placed.constantOf(input))
      ? undefined
      : 'has a scale or statistics that are computed',
  emit(graph, placed) {
    const { node, inputs } = placed;
    const epsilon = { float: floatAttribute(node, 'epsilon', 1e-5) };
    const output = graph.add('BatchNormalization', inputs, { epsilon });
    return {
      output,
      backward: (gradient) => [
        () => derivatives.normalized(graph, { ...placed, output, gradient }),
      ],
    };
  },
};

const transpose: OperatorRule = {
  weights: [],
  emit(graph, { node, inputs, outputShape }) {
    const said = attributeOf(node, 'perm')?.ints?.map(Number);
    const perm = said ?? outputShape.map((_, i) => outputShape.length - 1 - i);
    return {
      output: graph.add('Transpose', inputs, { perm }),
      backward: (gradient) => [
        () => graph.add('Transpose', [gradient], { perm: perm.map((_, i) => perm.indexOf(i)) }),
      ],
    };
  },
};

const rules: Readonly<Record<string, OperatorRule>> = {
  Add: add,
  BatchNormalization: batchNormalization,
  Clip: plain(derivatives.clipped),
  Conv: convRule,
  Dropout: same,
  Flatten: reshaped,
  Gemm: gemm,
  GlobalAveragePool: plain(derivatives.averaged),
  Identity: same,
  MatMul: matMul,
  MaxPool: maxPoolRule,
  Relu: plain(derivatives.relu),
  Reshape: reshaped,
  Squeeze: reshaped,
  Transpose: transpose,
  Unsqueeze: reshaped,
};

export const ruleOf = (node: NodeProto): OperatorRule | undefined => ofOperator(rules, node);

export const differentiable = Object.keys(rules);

/** A gradient summed over the axes along which an input was repeated. The batch is one of them. */
function reduceTo(graph: GraphBuilder, gradient: string, rank: number, shape: Shape): string {
  const missing = rank - shape.length;
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter(
    (axis) => axis < missing || axis === 0 || shape[axis - missing] === 1,
  );
  return graph.add('Reshape', [sumOver(graph, gradient, axes), int64s(graph, shape)]);
}
