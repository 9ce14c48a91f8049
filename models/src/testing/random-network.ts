// Small networks with random weights, and what is needed to say how far a quantized copy may be off.

import type { Random } from '@skerry/shared';
import { createGraphBuilder } from '../onnx/graph-builder.ts';
import type { ModelProto } from '../onnx/model-proto.ts';
import type { Tensor } from '../tensor.ts';

export interface RandomNetwork {
  readonly model: ModelProto;
  /** FP32 [rows, channels, side, side], of the input `x`. */
  input(rows: number): Tensor;
  /** The products with weights, in order: each with what it reads and its weights. */
  readonly products: readonly Product[];
}

export interface Product {
  /** The value it reads, or one with the same numbers in another order, or more of them. */
  readonly reads: string;
  /** [outputs, weights of each]. */
  readonly weights: Float32Array;
  readonly outputs: number;
}

const side = 6;

/** Convolutions, some with Relu or Clip behind them, perhaps a MaxPool, then Flatten and a Gemm: outputs `y`. */
export function drawNetwork(random: Random): RandomNetwork {
  const graph = createGraphBuilder('random');
  const between = (low: number, high: number) => low + random.below(high - low + 1);
  const normal = (count: number) =>
    Float32Array.from({ length: count }, () => 2 * random.next() - 1);
  const fp32 = (shape: number[], data: Float32Array<ArrayBuffer>) =>
    graph.constant({ datatype: 'FP32', shape, data });
  const products: Product[] = [];

  const inputChannels = between(1, 3);
  let channels = inputChannels;
  let value = graph.input('x', 'FP32', [-1, channels, side, side]);
  const convolutions = between(1, 3);
  for (let i = 0; i < convolutions; i++) {
    const outputs = between(1, 5);
    const kernel = 2 * between(0, 1) + 1;
    const weights = normal(outputs * channels * kernel * kernel);
    const reads = value;
    const pad = (kernel - 1) / 2;
    const inputs = [
      value,
      fp32([outputs, channels, kernel, kernel], weights),
      fp32([outputs], normal(outputs)),
    ];
    value = graph.add('Conv', inputs, {
      pads: [pad, pad, pad, pad],
      kernel_shape: [kernel, kernel],
    });
    products.push({ reads, weights, outputs });
    const activation = between(0, 2);
    if (activation === 1) value = graph.add('Relu', [value]);
    if (activation === 2)
      value = graph.add('Clip', [
        value,
        fp32([], Float32Array.of(0)),
        fp32([], Float32Array.of(6)),
      ]);
    channels = outputs;
  }
  const last = value;
  const isPooled = between(0, 1) === 1;
  if (isPooled) value = graph.add('MaxPool', [value], { kernel_shape: [2, 2], strides: [2, 2] });
  value = graph.add('Flatten', [value], { axis: 1 });
  const features = channels * (isPooled ? side / 2 : side) ** 2;
  const outputs = between(2, 5);
  const weights = normal(features * outputs);
  products.push({ reads: last, weights, outputs });
  const transB = between(0, 1);
  const matrix =
    transB === 1
      ? fp32([outputs, features], weights)
      : fp32([features, outputs], transposed(weights, outputs));
  graph.add('Gemm', [value, matrix, fp32([outputs], normal(outputs))], { transB }, 'y');
  graph.output('y', 'FP32', [-1, outputs]);
  return {
    model: graph.build(),
    products,
    input: (rows) => ({
      datatype: 'FP32',
      shape: [rows, inputChannels, side, side],
      data: normal(rows * inputChannels * side * side),
    }),
  };
}

function transposed(matrix: Float32Array, rows: number): Float32Array<ArrayBuffer> {
  const columns = matrix.length / rows;
  return Float32Array.from(
    matrix,
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)] as number,
  );
}
