// Training by definition, in doubles: the loss is computed as the formulas read, its gradient by central differences. It
// shares no line with a backend, so it says whether one is right. For networks of some hundred weights only.

import { createRandom, defined } from '@skerry/shared';
import { type LayerSpec, type Shape, sizeOf } from '../training/layers/layer.ts';
import type { Network } from '../training/network.ts';
import { parametersOf } from '../training/network.ts';

/** In doubles it leaves an error of some 1e-10. */
const differenceStep = 1e-5;

export interface ReferenceExamples {
  readonly input: ArrayLike<number>;
  /** [examples, classes]. */
  readonly targets: ArrayLike<number>;
}

export interface Reference {
  /** Mean joint loss of the rows. */
  loss(weights: Float64Array, rows: ArrayLike<number>, temperature?: number): number;
  gradient(weights: Float64Array, rows: ArrayLike<number>, temperature?: number): Float64Array;
  /** A row's logits at each exit. */
  logits(weights: Float64Array, row: number): readonly Float64Array[];
}

export function referenceOf(network: Network, { input, targets }: ReferenceExamples): Reference {
  const parameters = parametersOf(network);
  const size = sizeOf(network.input);
  const logits = (weights: Float64Array, row: number) => {
    const example = Float64Array.from({ length: size }, (_, i) => input[row * size + i] as number);
    return forward(network, takeTensors(parameters, weights), example);
  };
  const loss = (weights: Float64Array, rows: ArrayLike<number>, temperature = 1): number => {
    let sum = 0;
    for (let r = 0; r < rows.length; r++) {
      const row = rows[r] as number;
      for (const [exit, values] of logits(weights, row).entries()) {
        const { lossWeight } = defined(network.segments[exit], 'segment');
        const exponents = values.map((value) => Math.exp(value / temperature));
        const total = exponents.reduce((all, each) => all + each, 0);
        for (const [c, each] of exponents.entries()) {
          const target = targets[row * values.length + c] as number;
          sum -= lossWeight * temperature ** 2 * target * Math.log(each / total);
        }
      }
    }
    return sum / rows.length;
  };
  return {
    loss,
    logits,
    gradient: (weights, rows, temperature) =>
      weights.map((weight, i) => {
        const at = (w: number): number => loss(weights.with(i, w), rows, temperature);
        return (at(weight + differenceStep) - at(weight - differenceStep)) / (2 * differenceStep);
      }),
  };
}

/** Weights of the layers, in the order of computation. */
function takeTensors(parameters: readonly { shape: Shape }[], weights: Float64Array) {
  let at = 0;
  let next = 0;
  return {
    take(): Float64Array {
      const { shape } = defined(parameters[next++], 'a parameter');
      at += sizeOf(shape);
      return weights.subarray(at - sizeOf(shape), at);
    },
  };
}

type Tensors = ReturnType<typeof takeTensors>;

function forward(network: Network, tensors: Tensors, example: Float64Array): Float64Array[] {
  let values = { data: example, shape: network.input };
  return network.segments.map(({ trunk, head, neck }) => {
    const through = (layers: Network['segments'][number]['trunk'], from: Values): Values =>
      layers.reduce(
        (value, layer) => ({
          data: compute(layer.spec, value, layer.outputShape(value.shape), tensors),
          shape: layer.outputShape(value.shape),
        }),
        from,
      );
    const features = through(trunk, values);
    const { data } = through(head, features);
    values = through(neck, features);
    return data;
  });
}

interface Values {
  readonly data: Float64Array;
  readonly shape: Shape;
}

function compute(
  spec: LayerSpec,
  { data, shape }: Values,
  output: Shape,
  tensors: Tensors,
): Float64Array {
  const [channels = 0, height = 0, width = 0] = shape;
  const at = (c: number, y: number, x: number): number =>
    y >= 0 && y < height && x >= 0 && x < width
      ? (data[(c * height + y) * width + x] as number)
      : 0;
  const [, , outputWidth = 0] = output;
  const places = (value: (c: number, y: number, x: number) => number) => {
    const plane = sizeOf(output.slice(1));
    return Float64Array.from({ length: sizeOf(output) }, (_, i) => {
      const place = i % plane;
      return value(Math.floor(i / plane), Math.floor(place / outputWidth), place % outputWidth);
    });
  };
  if (spec.kind === 'relu') return data.map((value) => Math.max(0, value));
  if (spec.kind === 'flatten') return data;
  if (spec.kind === 'max-pool')
    return places((c, y, x) => {
      const tile = Array.from({ length: spec.size ** 2 }, (_, i) =>
        at(c, y * spec.size + Math.floor(i / spec.size), x * spec.size + (i % spec.size)),
      );
      return Math.max(...tile);
    });
  const weight = tensors.take();
  const bias = tensors.take();
  if (spec.kind === 'dense')
    return Float64Array.from({ length: spec.outputs }, (_, o) =>
      data.reduce(
        (sum, value, i) => sum + value * (weight[o * data.length + i] as number),
        bias[o] as number,
      ),
    );
  const { kernel, stride, padding } = spec;
  return places((c, y, x) => {
    let sum = bias[c] as number;
    for (let i = 0; i < channels; i++)
      for (let ky = 0; ky < kernel; ky++)
        for (let kx = 0; kx < kernel; kx++)
          sum +=
            at(i, y * stride - padding + ky, x * stride - padding + kx) *
            (weight[((c * channels + i) * kernel + ky) * kernel + kx] as number);
    return sum;
  });
}

/** Weights for a network, biases too: at a bias of exactly 0, where features are all 0, ReLU stands on its kink. */
export function drawAllWeights(network: Network, seed: number): Float64Array<ArrayBuffer> {
  const random = createRandom(seed);
  const size = parametersOf(network).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  // Of float32, so that a backend begins at the same place.
  return Float64Array.from({ length: size }, () => Math.fround(0.3 * random.gaussian()));
}
