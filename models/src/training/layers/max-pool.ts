import { int64s } from '../constants.ts';
import type { Layer, Shape } from './layer.ts';

/** The largest of each size×size tile (no overlap, a ragged rim is dropped); the gradient goes back to its place. */
export function maxPool(size: number): Layer {
  const outputShape = ([channels, height, width]: Shape): Shape => [
    channels as number,
    Math.floor((height as number) / size),
    Math.floor((width as number) / size),
  ];
  const attributes = { kernel_shape: [size, size], strides: [size, size] };
  return {
    outputShape,
    macs: () => 0,
    parameters: () => [],
    forward(graph, site) {
      // The indices cost an inference time that it has no use for.
      const outputs = site.batch === -1 ? 1 : 2;
      const [output = '', indices = ''] = graph.addMany(
        'MaxPool',
        [site.input],
        outputs,
        attributes,
      );
      return {
        output,
        backward: (gradient) => ({
          parameters: [],
          input: () =>
            graph.add(
              'MaxUnpool',
              [gradient, indices, int64s(graph, [site.batch, ...site.shape])],
              attributes,
            ),
        }),
      };
    },
  };
}
