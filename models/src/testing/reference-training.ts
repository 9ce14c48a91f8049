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

function compute(spec: LayerSpec, from: Values, output: Shape, tensors: Tensors): Float64Array {
  if (spec.kind === 'relu') return from.data.map((value) => Math.max(0, value));
  if (spec.kind === 'flatten') return from.data;
  if (spec.kind === 'max-pool') return maxPooled(spec.size, from, output);
  const weight = tensors.take();
  const bias = tensors.take();
  return spec.kind === 'dense'
    ? product(from.data, weight, bias)
    : convolution(spec, from, output, weight, bias);
}

function product(data: Float64Array, weight: Float64Array, bias: Float64Array): Float64Array {
  return bias.map((start, output) => {
    let sum = start;
    for (let i = 0; i < data.length; i++)
      sum += (data[i] as number) * (weight[output * data.length + i] as number);
    return sum;
  });
}

function maxPooled(size: number, { data, shape }: Values, output: Shape): Float64Array {
  const [channels = 0, height = 0, width = 0] = shape;
  const [, rows = 0, columns = 0] = output;
  const pooled = new Float64Array(sizeOf(output)).fill(Number.NEGATIVE_INFINITY);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < rows * size; y++)
      for (let x = 0; x < columns * size; x++) {
        const place = (c * rows + Math.floor(y / size)) * columns + Math.floor(x / size);
        const value = data[(c * height + y) * width + x] as number;
        pooled[place] = Math.max(pooled[place] as number, value);
      }
  return pooled;
}

function convolution(
  { channels, kernel, stride, padding }: LayerSpec & { kind: 'conv' },
  { data, shape }: Values,
  output: Shape,
  weight: Float64Array,
  bias: Float64Array,
): Float64Array {
  const [inputs = 0, height = 0, width = 0] = shape;
  const [, rows = 0, columns = 0] = output;
  const result = new Float64Array(sizeOf(output));
  for (let c = 0, at = 0; c < channels; c++)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++, at++) {
        let sum = bias[c] as number;
        for (let i = 0; i < inputs; i++)
          for (let ky = 0; ky < kernel; ky++) {
            const row = y * stride - padding + ky;
            if (row < 0 || row >= height) continue;
            for (let kx = 0; kx < kernel; kx++) {
              const column = x * stride - padding + kx;
              if (column < 0 || column >= width) continue;
              const value = data[(i * height + row) * width + column] as number;
              sum += value * (weight[((c * inputs + i) * kernel + ky) * kernel + kx] as number);
            }
          }
        result[at] = sum;
      }
  return result;
}

/** Weights for a network, biases too: at a bias of exactly 0, where features are all 0, ReLU stands on its kink. */
export function drawAllWeights(network: Network, seed: number): Float64Array<ArrayBuffer> {
  const random = createRandom(seed);
  const size = parametersOf(network).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  // Of float32, so that a backend begins at the same place.
  return Float64Array.from({ length: size }, () => Math.fround(0.3 * random.gaussian()));
}
