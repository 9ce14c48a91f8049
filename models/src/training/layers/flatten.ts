import { int64s } from '../constants.ts';
import { type Layer, sizeOf } from './layer.ts';

/** [channels, height, width] to [features]. */
export function flatten(): Layer {
  return {
    spec: { kind: 'flatten' },
    outputShape: (input) => [sizeOf(input)],
    macs: () => 0,
    parameters: () => [],
    forward(graph, site) {
      return {
        output: graph.add('Flatten', [site.input], { axis: 1 }),
        backward: (gradient) => ({
          parameters: [],
          // 0 keeps the batch, whatever it is.
          input: () => graph.add('Reshape', [gradient, int64s(graph, [0, ...site.shape])]),
        }),
      };
    },
  };
}
