// Quantization that needs no data, for transformers and for whoever wants small files: weights lie in bytes, activations
// are real numbers (weights) or become bytes as they come (dynamic).

import { defined, ok, type Result } from '@skerry/shared';
import { type GraphIndex, indexGraph, intAttribute } from '../onnx/graph-index.ts';
import { type GraphRewriter, rewriteGraph } from '../onnx/graph-rewriter.ts';
import type { ModelProto, NodeProto } from '../onnx/model-proto.ts';
import { elementTypes } from '../onnx/tensor-proto.ts';
import type { Tensor } from '../tensor.ts';
import { quantizeWeights, type WeightBits } from './affine.ts';
import { packNibbles } from './pack-nibbles.ts';
import { nameOf, planWeights, type Skipped, type WeightPlan } from './plan-qdq.ts';
import type { Quantized } from './quantize-static.ts';

export interface WeightsOptions {
  /**
   * `dynamic`: DynamicQuantizeLinear and MatMulInteger, products of bytes. `weights`: products of real numbers, the weights
   * made real when the model is loaded; with 4 bits by MatMulNBits at each run.
   */
  readonly mode: 'dynamic' | 'weights';
  readonly weightBits: WeightBits | 4;
  readonly excluded: ReadonlySet<string>;
}

type FloatWeights = Extract<WeightPlan, { kind: 'float' }>;

/** A table of fewer numbers is not worth a node. */
const tableElementsMin = 65_536;

/** Products with constant matrices, and tables of embeddings. Convolutions stay: ConvInteger is slower than they are. */
export function quantizeWeightsOnly(model: ModelProto, options: WeightsOptions): Result<Quantized> {
  const index = indexGraph(model.graph);
  const rewriter = rewriteGraph(model);
  const emit = options.mode === 'dynamic' ? dynamicProducts(rewriter) : realProducts(rewriter);
  const skipped: Skipped[] = [];
  let nodes = 0;
  for (const node of model.graph.node) {
    const plan = planNode(index, node, options.excluded);
    if (plan === undefined || typeof plan === 'string') {
      if (plan !== undefined) skipped.push({ node: nameOf(node), reason: plan });
      rewriter.keep(node);
      continue;
    }
    nodes += 1;
    const bits = options.weightBits === 4 && node.opType === 'Gather' ? 8 : options.weightBits;
    if (node.opType === 'Gather') emitTable(rewriter, node, plan, bits === 4 ? 8 : bits);
    else if (bits === 4) emitNibbles(rewriter, node, plan);
    else emit(node, plan, bits);
  }
  return ok({ model: rewriter.build(), nodes, skipped });
}

/** The weights to quantize; why not; or undefined for a node that has none. */
function planNode(
  index: GraphIndex,
  node: NodeProto,
  excluded: ReadonlySet<string>,
): FloatWeights | string | undefined {
  if (!['MatMul', 'Gemm', 'Gather'].includes(node.opType)) return undefined;
  const isTable = node.opType === 'Gather';
  const table = isTable ? index.initializerOf(node.input[0] ?? '') : undefined;
  const elements = table?.dims.reduce((size, dim) => size * Number(dim), 1) ?? 0;
  if (isTable && (elements < tableElementsMin || intAttribute(node, 'axis', 0) !== 0))
    return undefined;
  if (excluded.has(nameOf(node)) || excluded.has(node.opType)) return 'excluded';
  if (node.opType === 'Gemm' && intAttribute(node, 'transA', 0) === 1) return 'a Gemm with transA';
  const plan = planWeights(index, node, node.input[isTable ? 0 : 1] ?? '');
  if (typeof plan === 'string') return plan;
  if (plan.kind === 'bytes') return 'its weights are bytes already';
  return plan.tensor.shape.length === 2
    ? plan
    : `its weights have rank ${plan.tensor.shape.length}`;
}

/** One DynamicQuantizeLinear an activation, however many products read it. */
function dynamicProducts(rewriter: GraphRewriter) {
  const done = new Map<string, readonly [bytes: string, scale: string, zeroPoint: string]>();
  return (node: NodeProto, { name, tensor, axis }: FloatWeights, bits: WeightBits): void => {
    const [activation = ''] = node.input;
    const parts =
      done.get(activation) ??
      ([
        rewriter.fresh(`${activation}_bytes`),
        rewriter.fresh(`${activation}_scale`),
        rewriter.fresh(`${activation}_zero`),
      ] as const);
    if (!done.has(activation)) rewriter.addMany('DynamicQuantizeLinear', [activation], parts);
    done.set(activation, parts);
    const [bytes, scale, zeroPoint] = parts;
    const { weights, scales } = emitWeights(rewriter, name, tensor, axis, bits);
    const zero = rewriter.constant(
      { datatype: 'INT8', shape: [], data: Int8Array.of(0) },
      `${name}_zero`,
    );
    const sums = rewriter.add('MatMulInteger', [bytes, weights, zeroPoint, zero]);
    const real = rewriter.add('Cast', [sums], { attributes: { to: elementTypes.FP32 } });
    const factor = rewriter.add('Mul', [scale, scales]);
    finish(rewriter, node, (output) => rewriter.add('Mul', [real, factor], { output }));
  };
}

/** A Cast and a Mul of constants, which a runtime computes once, where it would run a DequantizeLinear each time. */
function realProducts(rewriter: GraphRewriter) {
  return (node: NodeProto, { name, tensor, axis }: FloatWeights, bits: WeightBits): void => {
    const { weights, scales } = emitWeights(rewriter, name, tensor, axis, bits);
    const cast = rewriter.add('Cast', [weights], { attributes: { to: elementTypes.FP32 } });
    const real = rewriter.add('Mul', [cast, scales]);
    const [activation = ''] = node.input;
    finish(rewriter, node, (output) => rewriter.add('MatMul', [activation, real], { output }));
  };
}

/** [inputs, outputs], whatever way the node held them, and one scale an output. */
function emitWeights(
  rewriter: GraphRewriter,
  name: string,
  tensor: Tensor,
  axis: number,
  bits: WeightBits,
): { weights: string; scales: string } {
  const upright = axis === 1 ? tensor : transposed(tensor);
  const quantized = quantizeWeights(upright, 1, bits);
  const { scales } = quantized;
  return {
    weights: rewriter.constant(quantized.tensor, `${name}_bytes`),
    scales: rewriter.constant(
      { datatype: 'FP32', shape: [scales.length], data: scales },
      `${name}_scale`,
    ),
  };
}

/** What a Gemm adds to its product, with its factors. */
function finish(
  rewriter: GraphRewriter,
  node: NodeProto,
  product: (output: string | undefined) => string,
): void {
  const [output = ''] = node.output;
  const [, , bias = ''] = node.input;
  const factor = (name: 'alpha' | 'beta'): number =>
    node.attribute.find((attribute) => attribute.name === name)?.f ?? 1;
  if (node.opType === 'MatMul' || (bias === '' && factor('alpha') === 1)) {
    product(output);
    return;
  }
  const scaled = (value: string, by: number, wish?: string): string => {
    if (by === 1 && wish === undefined) return value;
    const constant = { datatype: 'FP32', shape: [], data: Float32Array.of(by) } as const;
    return rewriter.add('Mul', [value, rewriter.constant(constant, `${output}_factor`)], {
      output: wish,
    });
  };
  if (bias === '') {
    scaled(product(undefined), factor('alpha'), output);
    return;
  }
  const sum = [scaled(product(undefined), factor('alpha')), scaled(bias, factor('beta'))];
  rewriter.add('Add', sum, { output });
}

/** Each row has a scale of its own, picked with it. */
function emitTable(
  rewriter: GraphRewriter,
  node: NodeProto,
  { name, tensor }: FloatWeights,
  bits: WeightBits,
): void {
  const { tensor: bytes, scales } = quantizeWeights(tensor, 0, bits);
  const [, indices = ''] = node.input;
  const picked = rewriter.add('Gather', [rewriter.constant(bytes, `${name}_bytes`), indices]);
  const column: Tensor = { datatype: 'FP32', shape: [scales.length, 1], data: scales };
  const factors = rewriter.add('Gather', [rewriter.constant(column, `${name}_scale`), indices]);
  const real = rewriter.add('Cast', [picked], { attributes: { to: elementTypes.FP32 } });
  rewriter.add('Mul', [real, factors], { output: defined(node.output[0], 'an output') });
}

/** com.microsoft.MatMulNBits: blocks of weights along each output's row, two to a byte. */
function emitNibbles(rewriter: GraphRewriter, node: NodeProto, plan: FloatWeights): void {
  const { name, tensor, axis } = plan;
  const rows = axis === 0 ? tensor : transposed(tensor);
  const { bytes, scales, blockSize } = packNibbles(rows);
  const [outputs = 0, inputs = 0] = rows.shape;
  const operands = [
    defined(node.input[0], 'an activation'),
    rewriter.constant(bytes, `${name}_nibbles`),
    rewriter.constant(scales, `${name}_scale`),
  ];
  const attributes = { K: inputs, N: outputs, bits: 4, block_size: blockSize };
  finish(rewriter, node, (output) =>
    rewriter.add('MatMulNBits', operands, { attributes, domain: 'com.microsoft', output }),
  );
}

function transposed({ shape, data }: Tensor): Tensor {
  const [rows = 0, columns = 0] = shape;
  const turned = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      turned[c * rows + r] = (data as Float32Array)[r * columns + c] as number;
  return { datatype: 'FP32', shape: [columns, rows], data: turned };
}
