// The backward pass of a convolution of any kernel, stride, padding and dilation: by its input along any axes and of any groups,
// by its weights where it is two-dimensional and of one group.

import type { GraphBuilder } from '../../onnx/graph-builder.ts';
import { int64s } from '../constants.ts';

type Pair = readonly [number, number];

/** Each with one number an axis. */
export interface ConvGeometry<Axes extends readonly number[] = Pair> {
  /** Height and width of what it reads. */
  readonly size: Axes;
  readonly kernel: Axes;
  readonly strides: Axes;
  readonly dilations: Axes;
  /** Top, left, bottom, right. */
  readonly pads: readonly number[];
}

export interface ConvShape extends ConvGeometry {
  readonly inputChannels: number;
  readonly channels: number;
}

type AnyGeometry = ConvGeometry<readonly number[]>;

const along = (numbers: readonly number[], axis: number): number => numbers[axis] as number;

/** What is left of the padded input behind the first place of the kernel. */
const reachOf = ({ size, kernel, dilations, pads }: AnyGeometry, axis: number): number =>
  along(size, axis) +
  along(pads, axis) +
  along(pads, axis + size.length) -
  along(dilations, axis) * (along(kernel, axis) - 1) -
  1;

export const convOutputSize = (geometry: ConvGeometry): Pair => {
  const places = (axis: 0 | 1): number =>
    Math.floor(reachOf(geometry, axis) / geometry.strides[axis]) + 1;
  return [places(0), places(1)];
};

export const convAttributes = ({ kernel, strides, pads, dilations }: AnyGeometry) => ({
  kernel_shape: [...kernel],
  strides: [...strides],
  pads: [...pads],
  dilations: [...dilations],
});

/** The transposed convolution; output_padding restores the rows that a stride did not reach. */
export const convInputGradient = (
  graph: Pick<GraphBuilder, 'add'>,
  geometry: AnyGeometry,
  gradient: string,
  weight: string,
  group = 1,
): string =>
  graph.add('ConvTranspose', [gradient, weight], {
    ...convAttributes(geometry),
    output_padding: geometry.strides.map((stride, axis) => reachOf(geometry, axis) % stride),
    group,
  });

/**
 * dW = dY · im2col(X)ᵀ: one matrix product over all examples and places, because a product this long keeps a CPU busy
 * where the equivalent convolution (channels as batch, dilated by the stride) runs with few columns.
 */
export function convWeightGradient(
  graph: GraphBuilder,
  geometry: ConvShape,
  gradient: string,
  input: string,
): string {
  const { kernel, channels, inputChannels } = geometry;
  const columns = graph.add('Reshape', [
    im2col(graph, geometry, input),
    int64s(graph, [kernel[0] * kernel[1] * inputChannels, -1]),
  ]);
  const byChannel = graph.add('Transpose', [gradient], { perm: [1, 0, 2, 3] });
  const flat = graph.add('Reshape', [byChannel, int64s(graph, [channels, -1])]);
  const product = graph.add('Gemm', [flat, columns], { transB: 1 });
  const taps = graph.add('Reshape', [
    product,
    int64s(graph, [channels, kernel[0], kernel[1], inputChannels]),
  ]);
  return graph.add('Transpose', [taps], { perm: [0, 3, 1, 2] });
}

/** [kernel taps · channels, batch, height, width]: what each tap of the kernel sees. */
function im2col(graph: GraphBuilder, geometry: ConvGeometry, input: string): string {
  const { kernel, strides, dilations, pads } = geometry;
  const [height, width] = convOutputSize(geometry);
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const byChannel = graph.add('Transpose', [input], { perm: [1, 0, 2, 3] });
  const padded = pads.every((pad) => pad === 0)
    ? byChannel
    : graph.add('Pad', [byChannel, int64s(graph, [0, 0, top, left, 0, 0, bottom, right])]);
  const axes = int64s(graph, [2, 3]);
  const steps = int64s(graph, strides);
  const taps: string[] = [];
  for (let row = 0; row < kernel[0]; row++)
    for (let column = 0; column < kernel[1]; column++) {
      const start = [row * dilations[0], column * dilations[1]] as const;
      const ends = int64s(graph, [
        start[0] + (height - 1) * strides[0] + 1,
        start[1] + (width - 1) * strides[1] + 1,
      ]);
      taps.push(graph.add('Slice', [padded, int64s(graph, start), ends, axes, steps]));
    }
  return taps.length === 1 ? (taps[0] as string) : graph.add('Concat', taps, { axis: 0 });
}
