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
    spec: { kind: 'max-pool', size },
    outputShape,
    macs: () => 0,
    parameters: () => [],
    forward(graph, site) {
      // The indices cost an inference time that it has no use for.
      const outputs = site.training ? 2 : 1;
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
              [gradient, indices, graph.add('Shape', [site.input])],
              attributes,
            ),
        }),
      };
    },
  };
}
