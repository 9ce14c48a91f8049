import { int64s } from '../constants.ts';
import { type Layer, sizeOf } from './layer.ts';

/** y = x·Wᵀ + b over [features]. */
export function dense(outputs: number): Layer {
  return {
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
            graph.add('Gemm', [gradient, site.input], { transA: 1 }),
            graph.add('ReduceSum', [gradient, int64s(graph, [0])], { keepdims: 0 }),
          ],
          input: () => graph.add('Gemm', [gradient, weight]),
        }),
      };
    },
  };
}
