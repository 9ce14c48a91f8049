import type { Random } from '@skerry/shared';
import { sizeOf } from './layers/layer.ts';
import type { Parameter } from './network.ts';

/** Weights by parameter name. */
export type Weights = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

/** He initialisation (arXiv 1502.01852): variance 2 / fan-in keeps the signal's size through ReLUs. Biases are 0. */
export function drawWeights(parameters: readonly Parameter[], random: Random): Weights {
  return new Map(
    parameters.map(({ name, shape, fanIn }) => {
      const deviation = shape.length === 1 ? 0 : Math.sqrt(2 / fanIn);
      return [
        name,
        Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.gaussian()),
      ];
    }),
  );
}
