// 2-D convolution with bias, square kernel, symmetric zero padding.

import { assert } from '@skerry/shared';
import type { GraphBuilder } from '../../onnx/graph-builder.ts';
import { int64s } from '../constants.ts';
import { type Layer, type Shape, type Site, sizeOf } from './layer.ts';

export interface ConvOptions {
  readonly channels: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number;
}

interface Geometry {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly channels: number;
}

export function conv(options: ConvOptions): Layer {
  const geometry = { stride: 1, padding: 0, ...options };
  const { kernel, stride, padding, channels } = geometry;
  const side = (size: number): number => Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const outputShape = ([, height, width]: Shape): Shape => [
    channels,
    side(height as number),
    side(width as number),
  ];
  const fanIn = (input: Shape): number => (input[0] as number) * kernel * kernel;

  return {
    outputShape,
    macs: (input) => sizeOf(outputShape(input)) * fanIn(input),
    parameters: (input) => [
      {
        name: 'weight',
        shape: [channels, input[0] as number, kernel, kernel],
        fanIn: fanIn(input),
      },
      { name: 'bias', shape: [channels], fanIn: fanIn(input) },
    ],
    forward(graph, site) {
      const [weight = '', bias = ''] = site.parameters;
      const output = graph.add('Conv', [site.input, weight, bias], {
        kernel_shape: [kernel, kernel],
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
      });
      return {
        output,
        backward: (gradient) => ({
          parameters: [
            weightGradient(graph, site, geometry, outputShape(site.shape), gradient),
            graph.add('ReduceSum', [gradient, int64s(graph, [0, 2, 3])], { keepdims: 0 }),
          ],
          input: () => inputGradient(graph, site, geometry, gradient),
        }),
      };
    },
  };
}

/** The transposed convolution; output_padding restores the rows that a stride did not reach. */
function inputGradient(
  graph: GraphBuilder,
  site: Site,
  geometry: Geometry,
  gradient: string,
): string {
  const { kernel, stride, padding } = geometry;
  const [, height = 0, width = 0] = site.shape;
  const unreached = (size: number): number => (size + 2 * padding - kernel) % stride;
  return graph.add('ConvTranspose', [gradient, site.parameters[0] as string], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
    output_padding: [unreached(height), unreached(width)],
  });
}

/**
 * dW = dY · im2col(X)ᵀ: one matrix product over all examples and places, because a product this long keeps a CPU busy
 * where the equivalent convolution (channels as batch, dilated by the stride) runs with few columns.
 */
function weightGradient(
  graph: GraphBuilder,
  site: Site,
  geometry: Geometry,
  outputShape: Shape,
  gradient: string,
): string {
  const { kernel, channels } = geometry;
  const inputChannels = site.shape[0] as number;
  assert(site.batch > 0, 'a backward pass needs a fixed batch');
  const places = site.batch * (outputShape[1] as number) * (outputShape[2] as number);
  const columns = graph.add('Reshape', [
    im2col(graph, site, geometry, outputShape),
    int64s(graph, [kernel * kernel * inputChannels, places]),
  ]);
  const byChannel = graph.add('Transpose', [gradient], { perm: [1, 0, 2, 3] });
  const flat = graph.add('Reshape', [byChannel, int64s(graph, [channels, places])]);
  const product = graph.add('Gemm', [flat, columns], { transB: 1 });
  const taps = graph.add('Reshape', [
    product,
    int64s(graph, [channels, kernel, kernel, inputChannels]),
  ]);
  return graph.add('Transpose', [taps], { perm: [0, 3, 1, 2] });
}

/** [kernel² · channels, batch, height, width]: what each tap of the kernel sees. */
function im2col(graph: GraphBuilder, site: Site, geometry: Geometry, outputShape: Shape): string {
  const { kernel, stride, padding } = geometry;
  const [, height = 0, width = 0] = outputShape;
  const byChannel = graph.add('Transpose', [site.input], { perm: [1, 0, 2, 3] });
  const padded =
    padding === 0
      ? byChannel
      : graph.add('Pad', [
          byChannel,
          int64s(graph, [0, 0, padding, padding, 0, 0, padding, padding]),
        ]);
  const axes = int64s(graph, [2, 3]);
  const steps = int64s(graph, [stride, stride]);
  const taps: string[] = [];
  for (let row = 0; row < kernel; row++)
    for (let column = 0; column < kernel; column++) {
      const starts = int64s(graph, [row, column]);
      const ends = int64s(graph, [
        row + (height - 1) * stride + 1,
        column + (width - 1) * stride + 1,
      ]);
      taps.push(graph.add('Slice', [padded, starts, ends, axes, steps]));
    }
  return taps.length === 1 ? (taps[0] as string) : graph.add('Concat', taps, { axis: 0 });
}
