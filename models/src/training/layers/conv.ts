// 2-D convolution with bias, square kernel, symmetric zero padding.

import { sumOver } from '../constants.ts';
import {
  type ConvShape,
  convAttributes,
  convInputGradient,
  convOutputSize,
  convWeightGradient,
} from './conv-gradient.ts';
import { addTo, type Layer, type Shape, sizeOf } from './layer.ts';

export interface ConvOptions {
  readonly channels: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number;
}

export function conv({ channels, kernel, stride = 1, padding = 0 }: ConvOptions): Layer {
  const geometryAt = ([inputChannels = 0, height = 0, width = 0]: Shape): ConvShape => ({
    inputChannels,
    channels,
    size: [height, width],
    kernel: [kernel, kernel],
    strides: [stride, stride],
    dilations: [1, 1],
    pads: [padding, padding, padding, padding],
  });
  const outputShape = (input: Shape): Shape => [channels, ...convOutputSize(geometryAt(input))];
  const fanIn = (input: Shape): number => (input[0] as number) * kernel * kernel;

  return {
    spec: { kind: 'conv', channels, kernel, stride, padding },
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
      const geometry = geometryAt(site.shape);
      const [weight = ''] = site.parameters;
      const inputs = [site.input, ...site.parameters];
      return {
        output: graph.add('Conv', inputs, convAttributes(geometry)),
        backward: (gradient) => ({
          parameters: [
            (plus) => addTo(graph, convWeightGradient(graph, geometry, gradient, site.input), plus),
            (plus) => addTo(graph, sumOver(graph, gradient, [0, 2, 3]), plus),
          ],
          input: () => convInputGradient(graph, geometry, gradient, weight),
        }),
      };
    },
  };
}
