// How a Conv of an ONNX graph lies on what it reads. Where its padding is not stated in numbers it is computed here.

import { attributeOf } from '../onnx/graph-index.ts';
import type { NodeProto } from '../onnx/model-proto.ts';
import type { ConvGeometry } from './layers/conv-gradient.ts';
import type { Shape } from './layers/layer.ts';

type Geometry = ConvGeometry<readonly number[]>;

/** From the shapes of its input and its weights. */
export function geometryOf(node: NodeProto, [input = [], weight = []]: readonly Shape[]): Geometry {
  const kernel = weight.slice(2);
  const ones = kernel.map(() => 1);
  const unpadded = {
    size: input.slice(2),
    kernel,
    strides: intsOf(node, 'strides') ?? ones,
    dilations: intsOf(node, 'dilations') ?? ones,
  };
  return { ...unpadded, pads: padsOf(node, unpadded) };
}

const intsOf = (node: NodeProto, name: string): number[] | undefined => {
  const ints = attributeOf(node, name)?.ints;
  return ints === undefined || ints.length === 0 ? undefined : ints.map(Number);
};

/** ONNX: SAME pads so that the output has ⌈size / stride⌉ places, an odd one at the end, or at the start. */
function padsOf(
  node: NodeProto,
  { size, kernel, strides, dilations }: Omit<Geometry, 'pads'>,
): readonly number[] {
  const mode = new TextDecoder().decode(attributeOf(node, 'auto_pad')?.s);
  if (!mode.startsWith('SAME')) return intsOf(node, 'pads') ?? [...size, ...size].map(() => 0);
  const total = size.map((places, axis) => {
    const [length = 1, stride = 1, dilation = 1] = [kernel[axis], strides[axis], dilations[axis]];
    const span = dilation * (length - 1) + 1;
    return Math.max(0, (Math.ceil(places / stride) - 1) * stride + span - places);
  });
  const less = total.map((each) => Math.floor(each / 2));
  const more = total.map((each, axis) => each - (less[axis] as number));
  return mode === 'SAME_LOWER' ? [...more, ...less] : [...less, ...more];
}
