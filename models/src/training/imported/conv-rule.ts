// The convolution of an imported graph, two-dimensional and of one group.

import { intAttribute } from '../../onnx/graph-index.ts';
import { sumOver } from '../constants.ts';
import { geometryOf } from '../conv-geometry.ts';
import {
  type ConvGeometry,
  convAttributes,
  convInputGradient,
  convWeightGradient,
} from '../layers/conv-gradient.ts';
import { addTo } from '../layers/layer.ts';
import type { OperatorRule } from './operator-rules.ts';

export const convRule: OperatorRule = {
  weights: [1, 2],
  refusal: ({ node, shapes }) => {
    if (shapes[0]?.length !== 4) return 'is not two-dimensional';
    return intAttribute(node, 'group', 1) === 1 ? undefined : 'has groups';
  },
  emit(graph, { node, inputs, shapes }) {
    const [input = '', weight = ''] = inputs;
    const [channels = 0, inputChannels = 0] = shapes[1] ?? [];
    const geometry = geometryOf(node, shapes) as ConvGeometry;
    return {
      output: graph.add('Conv', inputs, convAttributes(geometry)),
      backward: (gradient) => [
        () => convInputGradient(graph, geometry, gradient, weight),
        (plus) => {
          const shape = { ...geometry, channels, inputChannels };
          return addTo(graph, convWeightGradient(graph, shape, gradient, input), plus);
        },
        (plus) => addTo(graph, sumOver(graph, gradient, [0, 2, 3]), plus),
      ],
    };
  },
};
