import { sumOver } from '../constants.ts';
import { addTo, type Layer, sizeOf } from './layer.ts';

/** y = x·Wᵀ + b over [features]. */
export function dense(outputs: number): Layer {
  return {
    spec: { kind: 'dense', outputs },
    outputShape: () => [outputs],
    macs: (input) => outputs * sizeOf(input),
    parameters: (input) => [
      { name: 'weight', shape: [outputs, sizeOf(input)], fanIn: sizeOf(input) },
      { name: 'bias', shape: [outputs], fanIn: sizeOf(input) },
    ],
    forward(graph, site) {
      const [weight = '', bias = ''] = site.parameters;
      return {
        output: graph.add('Gemm', [site.input, weight, bias], { transB: 1 }),
        backward: (gradient) => ({
          parameters: [
            (plus) =>
              graph.add('Gemm', [gradient, site.input, ...(plus ? [plus] : [])], { transA: 1 }),
            (plus) => addTo(graph, sumOver(graph, gradient, [0]), plus),
          ],
          input: () => graph.add('Gemm', [gradient, weight]),
        }),
      };
    },
  };
}
