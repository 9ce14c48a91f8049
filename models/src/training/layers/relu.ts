import { scalar } from '../constants.ts';
import type { Layer } from './layer.ts';

/** max(x, 0); the gradient passes where the output is positive. */
export function relu(): Layer {
  return {
    spec: { kind: 'relu' },
    outputShape: (input) => input,
    macs: () => 0,
    parameters: () => [],
    forward(graph, site) {
      const output = graph.add('Relu', [site.input]);
      return {
        output,
        backward: (gradient) => ({
          parameters: [],
          input() {
            const passes = graph.add('Greater', [output, scalar(graph, 0)]);
            return graph.add('Where', [passes, gradient, scalar(graph, 0)]);
          },
        }),
      };
    },
  };
}
