// What each value of a graph looks like and what each node costs, seen by running it: no shape inference of ours can
// disagree with the runtime's.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import { observe } from '../quantize/observe.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Tensor, TensorMap } from '../tensor.ts';
import { type GraphIndex, indexGraph } from './graph-index.ts';
import type { ModelProto, NodeProto } from './model-proto.ts';

export interface GraphProfile {
  readonly index: GraphIndex;
  /** What a value was at the first run; constants and inputs too. */
  tensorOf(value: string): Tensor | undefined;
  /** Multiply–accumulates of a node in the first run; 0 where it has no product in it. */
  macsOf(node: NodeProto): number;
}

/** `onRun` sees every value of every run, and none is kept but the first run's. */
export async function profileGraph(
  model: ModelProto,
  runs: readonly TensorMap[],
  runtime: Runtime,
  onRun: (values: TensorMap) => void = () => {},
): Promise<Result<GraphProfile>> {
  const index = indexGraph(model.graph);
  if (runs.length === 0)
    return err(failure('invalid_argument', 'a profile takes at least one run'));
  const values = model.graph.node.flatMap(({ output }) => output).filter((value) => value !== '');
  let first: TensorMap | undefined;
  const seen = await observe(model, values, runs, runtime, (run) => {
    first ??= run;
    onRun(run);
  });
  if (!seen.ok) return seen;
  const tensors = defined(first, 'a run');
  const tensorOf = (value: string): Tensor | undefined => {
    const constant = index.constantOf(value);
    return tensors[value] ?? (constant.ok ? constant.value : undefined);
  };
  return ok({ index, tensorOf, macsOf: (node) => macsOf(node, tensorOf) });
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function macsOf(node: NodeProto, tensorOf: (value: string) => Tensor | undefined): number {
  const product = products[node.opType];
  if (product === undefined) return 0;
  const left = tensorOf(node.input[0] ?? '')?.shape ?? [];
  const right = tensorOf(node.input[product.weights] ?? '')?.shape ?? [];
  const result = tensorOf(node.output[0] ?? '')?.shape ?? [];
  return product.macs(left, right, result);
}

interface ProductRule {
  /** The place of the weights among the inputs. */
  readonly weights: number;
  macs(left: readonly number[], right: readonly number[], result: readonly number[]): number;
}

/** Each output is a sum over one filter, or over one row. */
const convolution = (weights: number): ProductRule => ({
  weights,
  macs: (_, filters, result) => sizeOf(result) * sizeOf(filters.slice(1)),
});
const matrix = (weights: number): ProductRule => ({
  weights,
  macs: (left, _, result) => sizeOf(result) * (left.at(-1) ?? 0),
});
const products: Readonly<Record<string, ProductRule>> = {
  Conv: convolution(1),
  ConvInteger: convolution(1),
  QLinearConv: convolution(3),
  ConvTranspose: {
    weights: 1,
    macs: (left, filters) => sizeOf(left) * sizeOf(filters.slice(1)),
  },
  // Whichever of the two is transposed, the weights hold one row an output.
  Gemm: {
    weights: 1,
    macs: (_, weights, result) => (sizeOf(result) * sizeOf(weights)) / (result.at(-1) || 1),
  },
  MatMul: matrix(1),
  MatMulInteger: matrix(1),
  MatMulNBits: matrix(1),
};

/** Whether a node has a product in it. */
export const isProduct = ({ opType }: NodeProto): boolean => opType in products;
