// What static quantization is to do with a graph: which nodes compute in bytes, which values travel as bytes, and what
// stays as it is and why. Pure: it looks at the graph alone.

import { attributeOf, floatAttribute, type GraphIndex, intAttribute } from '../onnx/graph-index.ts';
import type { NodeProto } from '../onnx/model-proto.ts';
import type { Tensor } from '../tensor.ts';

export interface QdqPlan {
  readonly nodes: ReadonlyMap<NodeProto, NodePlan>;
  /** Values that get a QuantizeLinear and a DequantizeLinear, each with where its quantization comes from. */
  readonly values: ReadonlyMap<string, Source>;
  readonly skipped: readonly Skipped[];
}

export interface NodePlan {
  readonly activation: string;
  readonly weights: WeightPlan;
  readonly bias?: { readonly name: string; readonly tensor: Tensor };
}

export type WeightPlan =
  | {
      readonly kind: 'float';
      readonly name: string;
      readonly tensor: Tensor;
      readonly axis: number;
    }
  /** Bytes already, behind a DequantizeLinear; its scales. */
  | { readonly kind: 'bytes'; readonly scales: Float32Array<ArrayBuffer> };

/** Where a value's scale and zero point come from. */
export type Source =
  /** From the range that this value (itself, or one that it only moves or picks from) has on calibration data. */
  | { readonly kind: 'range'; readonly of: string }
  /** From the DequantizeLinear that made it. */
  | { readonly kind: 'given'; readonly scale: string; readonly zeroPoint: string };

export interface Skipped {
  readonly node: string;
  readonly reason: string;
}

/** Operators that only move or pick values: what goes in and what comes out share one scale. */
const movers = new Set([
  ...['MaxPool', 'Flatten', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Identity', 'Slice'],
  ...['Gather', 'DepthToSpace', 'SpaceToDepth'],
]);
const clippers = new Set(['Relu', 'Clip']);
/** Operators with a product of weights in them, by where the channel of an output lies in the weights. */
const channelAxis: Readonly<Record<string, (node: NodeProto) => number>> = {
  Conv: () => 0,
  Gemm: (node) => (intAttribute(node, 'transB', 0) === 1 ? 0 : 1),
  MatMul: () => 1,
};

export const nameOf = (node: NodeProto): string => node.name || (node.output[0] ?? node.opType);

/** `excluded` are names of nodes, or of operators, that are to stay as they are. */
export function planQdq(index: GraphIndex, excluded: ReadonlySet<string>): QdqPlan {
  const nodes = new Map<NodeProto, NodePlan>();
  const values = new Map<string, Source>();
  const skipped: Skipped[] = [];
  for (const node of index.graph.node.filter(({ opType }) => opType in channelAxis)) {
    const plan =
      excluded.has(nameOf(node)) || excluded.has(node.opType) ? 'excluded' : planNode(index, node);
    if (typeof plan === 'string') skipped.push({ node: nameOf(node), reason: plan });
    else nodes.set(node, plan);
  }
  for (const [node, { activation }] of nodes) {
    mark(index, values, activation);
    // A convolution in bytes gives bytes. A matrix product can give real numbers, and should where nobody wants bytes.
    const result = afterClipping(index, node.output[0] as string);
    if (node.opType === 'Conv' && !isQuantized(index, result)) mark(index, values, result);
  }
  return { nodes, values, skipped };
}

/** The plan, or why there is none. */
function planNode(index: GraphIndex, node: NodeProto): NodePlan | string {
  const [activation = '', weightName = '', biasName = ''] = node.input;
  if (index.initializerOf(activation) !== undefined) return 'its input is a constant';
  if (node.opType === 'Gemm' && !isPlainGemm(node)) return 'a Gemm with transA, alpha or beta';
  const weights = planWeights(index, node, weightName);
  if (typeof weights === 'string') return weights;
  if (biasName === '') return { activation, weights };
  const bias = index.constantOf(biasName);
  if (!bias.ok || bias.value === undefined) return 'its bias is not a constant';
  const channels =
    weights.kind === 'float' ? (weights.tensor.shape[weights.axis] as number) : undefined;
  if (
    bias.value.datatype !== 'FP32' ||
    bias.value.data.length !== (channels ?? bias.value.data.length)
  )
    return 'its bias is not one FP32 number a channel';
  return { activation, weights, bias: { name: biasName, tensor: bias.value } };
}

export function planWeights(index: GraphIndex, node: NodeProto, name: string): WeightPlan | string {
  const made = index.producerOf(name);
  if (made?.opType === 'DequantizeLinear') return bytesBehind(index, made);
  const weights = index.constantOf(name);
  if (!weights.ok || weights.value === undefined) return 'its weights are not constant';
  if (weights.value.datatype !== 'FP32') return `its weights are ${weights.value.datatype}`;
  const { shape } = weights.value;
  if (node.opType !== 'Conv' && shape.length !== 2) return `its weights have rank ${shape.length}`;
  const axis = channelAxis[node.opType]?.(node) ?? 0;
  return { kind: 'float', name, tensor: weights.value, axis };
}

function bytesBehind(index: GraphIndex, dequantize: NodeProto): WeightPlan | string {
  const [bytes = '', scale = ''] = dequantize.input;
  const constant = index.constantOf(bytes);
  const scales = index.constantOf(scale);
  if (!constant.ok || constant.value?.datatype !== 'INT8') return 'its weights are not INT8';
  if (!scales.ok || !(scales.value?.data instanceof Float32Array))
    return 'the scale of its weights is not constant';
  return { kind: 'bytes', scales: scales.value.data };
}

const isPlainGemm = (node: NodeProto): boolean =>
  intAttribute(node, 'transA', 0) === 0 &&
  floatAttribute(node, 'alpha', 1) === 1 &&
  floatAttribute(node, 'beta', 1) === 1;

/** Marks a value, and all that it is moved from, down to where the numbers came about. */
function mark(index: GraphIndex, values: Map<string, Source>, value: string): void {
  const chain: string[] = [];
  let at = value;
  for (;;) {
    const made = index.producerOf(at);
    if (made?.opType === 'DequantizeLinear') break;
    chain.push(at);
    if (made === undefined || !movers.has(made.opType)) break;
    at = made.input[0] as string;
  }
  const made = index.producerOf(at);
  const source: Source =
    made?.opType === 'DequantizeLinear'
      ? { kind: 'given', scale: made.input[1] as string, zeroPoint: made.input[2] ?? '' }
      : { kind: 'range', of: at };
  for (const moved of chain) values.set(moved, source);
}

/** The value itself, or what the Relu or Clip that alone reads it makes of it: the bytes' own limits can do that part. */
export function afterClipping(index: GraphIndex, value: string): string {
  const [reader, second] = index.readersOf(value);
  const alone = reader !== undefined && second === undefined && !index.isOutput(value);
  return alone && clippers.has(reader.opType) ? (reader.output[0] as string) : value;
}

/** Whether all that read a value want its bytes. */
export function isQuantized(index: GraphIndex, value: string): boolean {
  const readers = index.readersOf(value);
  return (
    !index.isOutput(value) &&
    readers.length > 0 &&
    readers.every(({ opType }) => opType === 'QuantizeLinear')
  );
}

/** The lower and upper limit that a Relu or a Clip puts on its input; undefined for another node, or limits unknown. */
export function clipLimits(
  index: GraphIndex,
  node: NodeProto,
): { readonly min: number; readonly max: number } | undefined {
  if (node.opType === 'Relu') return { min: 0, max: Infinity };
  if (node.opType !== 'Clip') return undefined;
  const limit = (place: 1 | 2, attribute: string, fallback: number): number | undefined => {
    const name = node.input[place] ?? '';
    if (name === '') return attributeOf(node, attribute)?.f ?? fallback;
    const constant = index.constantOf(name);
    return constant.ok && constant.value !== undefined ? Number(constant.value.data[0]) : undefined;
  };
  const [min, max] = [limit(1, 'min', -Infinity), limit(2, 'max', Infinity)];
  return min === undefined || max === undefined ? undefined : { min, max };
}
