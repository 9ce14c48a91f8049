// The convolution of an imported graph, of one group. Where its padding is not stated in numbers it is computed here.

import { attributeOf, intAttribute } from '../../onnx/graph-index.ts';
import type { NodeProto } from '../../onnx/model-proto.ts';
import { sumOver } from '../constants.ts';
import {
  type ConvGeometry,
  convAttributes,
  convInputGradient,
  convWeightGradient,
} from '../layers/conv-gradient.ts';
import { addTo } from '../layers/layer.ts';
import type { OperatorRule, Placed } from './operator-rules.ts';

export const convRule: OperatorRule = {
  weights: [1, 2],
  refusal: ({ node, shapes }) => {
    if (shapes[0]?.length !== 4) return 'is not two-dimensional';
    return intAttribute(node, 'group', 1) === 1 ? undefined : 'has groups';
  },
  emit(graph, placed) {
    const { inputs } = placed;
    const [input = '', weight = ''] = inputs;
    const geometry = geometryOf(placed);
    return {
      output: graph.add('Conv', inputs, convAttributes(geometry)),
      backward: (gradient) => [
        () => convInputGradient(graph, geometry, gradient, weight),
        (plus) => addTo(graph, convWeightGradient(graph, geometry, gradient, input), plus),
        (plus) => addTo(graph, sumOver(graph, gradient, [0, 2, 3]), plus),
      ],
    };
  },
};

function geometryOf({ node, shapes }: Placed): ConvGeometry {
  const [, inputChannels = 0, height = 0, width = 0] = shapes[0] ?? [];
  const [channels = 0, , kernelHeight = 0, kernelWidth = 0] = shapes[1] ?? [];
  const unpadded = {
    inputChannels,
    channels,
    size: [height, width],
    kernel: [kernelHeight, kernelWidth],
    strides: pairOf(node, 'strides'),
    dilations: pairOf(node, 'dilations'),
  } as const;
  return { ...unpadded, pads: padsOf(node, unpadded) };
}

const intsOf = (node: NodeProto, name: string): number[] | undefined =>
  attributeOf(node, name)?.ints?.map(Number);

function pairOf(node: NodeProto, name: string): readonly [number, number] {
  const [first = 1, second = 1] = intsOf(node, name) ?? [];
  return [first, second];
}

/** ONNX: SAME pads so that the output has ⌈size / stride⌉ places, an odd one at the end, or at the start. */
function padsOf(
  node: NodeProto,
  { size, kernel, strides, dilations }: Omit<ConvGeometry, 'pads'>,
): ConvGeometry['pads'] {
  const mode = new TextDecoder().decode(attributeOf(node, 'auto_pad')?.s);
  if (!mode.startsWith('SAME')) {
    const [top = 0, left = 0, bottom = 0, right = 0] = intsOf(node, 'pads') ?? [];
    return [top, left, bottom, right];
  }
  const along = (axis: 0 | 1): readonly [number, number] => {
    const span = dilations[axis] * (kernel[axis] - 1) + 1;
    const places = Math.ceil(size[axis] / strides[axis]);
    const total = Math.max(0, (places - 1) * strides[axis] + span - size[axis]);
    const less = Math.floor(total / 2);
    return mode === 'SAME_LOWER' ? [total - less, less] : [less, total - less];
  };
  const [[top, bottom], [left, right]] = [along(0), along(1)];
  return [top, left, bottom, right];
}
