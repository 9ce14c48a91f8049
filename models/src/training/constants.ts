// Small constants that graphs need.

import type { GraphBuilder } from '../onnx/graph-builder.ts';

/** A scalar, or a list, of int64: axes, shapes, slice bounds. */
export const int64s = (graph: GraphBuilder, values: readonly number[]): string =>
  graph.constant({
    datatype: 'INT64',
    shape: [values.length],
    data: BigInt64Array.from(values.map(BigInt)),
  });

export const scalar = (graph: GraphBuilder, value: number): string =>
  graph.constant({ datatype: 'FP32', shape: [], data: Float32Array.of(value) });

/** The sum over axes, which are gone from the result. */
export const sumOver = (graph: GraphBuilder, value: string, axes: readonly number[]): string =>
  graph.add('ReduceSum', [value, int64s(graph, axes)], { keepdims: 0 });
