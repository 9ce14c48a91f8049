// Max-pooling of an imported graph. Windows that overlap may all have the same largest place, whose gradient is then a sum.

import type { AttributeValue } from '../../onnx/graph-builder.ts';
import type { NodeProto } from '../../onnx/model-proto.ts';
import { int64s } from '../constants.ts';
import type { OperatorRule } from './operator-rules.ts';

export const maxPoolRule: OperatorRule = {
  weights: [],
  emit(graph, { node, inputs, training }) {
    const [input = ''] = inputs;
    // The indices cost an inference time that it has no use for.
    const attributes = attributesOf(node);
    const [output = '', indices = ''] = graph.addMany(
      'MaxPool',
      inputs,
      training ? 2 : 1,
      attributes,
    );
    return {
      output,
      backward: (gradient) => [
        () => {
          const flat = (value: string): string =>
            graph.add('Reshape', [value, int64s(graph, [-1])]);
          const shape = graph.add('Shape', [input]);
          const zeros = graph.add('ConstantOfShape', [graph.add('Shape', [flat(input)])]);
          // The indices count through the whole batch.
          const summed = graph.add('ScatterElements', [zeros, flat(indices), flat(gradient)], {
            axis: 0,
            reduction: 'add',
          });
          return graph.add('Reshape', [summed, shape]);
        },
      ],
    };
  },
};

const attributesOf = (node: NodeProto): Record<string, AttributeValue> =>
  Object.fromEntries(
    node.attribute.map(({ name, ints, i, s }) => [
      name,
      ints && ints.length > 0
        ? ints.map(Number)
        : s && s.length > 0
          ? new TextDecoder().decode(s)
          : Number(i ?? 0),
    ]),
  );
