// Static quantization, written as ONNX wants it: QuantizeLinear and DequantizeLinear around the operators, which a
// runtime fuses into operators on bytes. Weights are INT8, symmetric, one scale a channel; biases INT32 at the scale of
// the products that they are added to.

import { defined } from '@skerry/shared';
import { type GraphIndex, indexGraph } from '../onnx/graph-index.ts';
import { type GraphRewriter, rewriteGraph } from '../onnx/graph-rewriter.ts';
import type { ModelProto, NodeProto } from '../onnx/model-proto.ts';
import type { Tensor } from '../tensor.ts';
import {
  type Affine,
  affineOf,
  type ByteType,
  quantizeWeights,
  type Range,
  reachOf,
  type WeightBits,
} from './affine.ts';
import { afterClipping, clipLimits, type NodePlan, type QdqPlan, type Source } from './plan-qdq.ts';

export interface QdqOptions {
  readonly activations: ByteType;
  readonly weightBits: WeightBits;
}

const int32Max = 2 ** 31 - 1;

export function insertQdq(
  model: ModelProto,
  plan: QdqPlan,
  ranges: ReadonlyMap<string, Range>,
  options: QdqOptions,
): ModelProto {
  const index = indexGraph(model.graph);
  const rewriter = rewriteGraph(model);
  const scales = createScales(index, plan, rewriter, ranges, options.activations);
  const redundant = redundantClips(index, plan, scales);
  /** What reads a value from here on reads this instead. */
  const instead = new Map<string, string>();
  const current = (value: string): string => instead.get(value) ?? value;

  /** `value` through bytes: `from` is what is quantized, `to` the name of what comes out again. */
  const throughBytes = (value: string, from: string, to?: string): void => {
    const source = defined(plan.values.get(value), `the plan for '${value}'`);
    const [scale, zeroPoint] = scales.constants(source);
    const bytes = rewriter.add('QuantizeLinear', [from, scale, zeroPoint], {
      output: rewriter.fresh(`${value}_bytes`),
    });
    const output = to ?? rewriter.fresh(`${value}_real`);
    instead.set(value, rewriter.add('DequantizeLinear', [bytes, scale, zeroPoint], { output }));
  };

  for (const input of index.inputs) if (plan.values.has(input)) throughBytes(input, input);
  for (const node of model.graph.node) {
    const [result = ''] = node.output;
    if (redundant.has(node)) {
      const from = current(node.input[0] as string);
      if (plan.values.has(result))
        throughBytes(result, from, index.isOutput(result) ? result : undefined);
      else instead.set(result, from);
      continue;
    }
    const nodePlan = plan.nodes.get(node);
    const input = nodePlan
      ? quantizedInputs(rewriter, node, nodePlan, current, scales, options)
      : node.input.map(current);
    const marked = node.output.filter((value) => plan.values.has(value));
    // An output of the graph keeps its name: its real numbers before the bytes get another.
    const output = node.output.map((value) =>
      marked.includes(value) && index.isOutput(value) ? rewriter.fresh(`${value}_exact`) : value,
    );
    rewriter.keep(node, { input, output });
    for (const value of marked) {
      const from = output[node.output.indexOf(value)] as string;
      throughBytes(value, from, index.isOutput(value) ? value : undefined);
    }
  }
  return rewriter.build();
}

function quantizedInputs(
  rewriter: GraphRewriter,
  node: NodeProto,
  { activation, weights, bias }: NodePlan,
  current: (value: string) => string,
  scales: Scales,
  { weightBits }: QdqOptions,
): string[] {
  const [, weightName = ''] = node.input;
  const activationScale = scales.of(activation);
  let weightScales: Float32Array<ArrayBuffer>;
  let weightInput = current(weightName);
  if (weights.kind === 'bytes') weightScales = weights.scales;
  else {
    // A bias that is huge beside its channel's weights must still fit INT32.
    const floors = bias && floorsFor(bias.tensor, activationScale);
    const quantized = quantizeWeights(weights.tensor, weights.axis, weightBits, floors);
    weightScales = quantized.scales;
    weightInput = dequantized(rewriter, weightName, quantized.tensor, weightScales, weights.axis);
  }
  const inputs = [current(activation), weightInput];
  if (bias === undefined) return inputs;
  const data = bias.tensor.data as Float32Array;
  const biasScales = Float32Array.from(
    data,
    (_, c) => activationScale * (weightScales[weightScales.length === 1 ? 0 : c] as number),
  );
  const whole = Int32Array.from(data, (value, c) =>
    Math.max(-int32Max, Math.min(int32Max, Math.round(value / (biasScales[c] as number)))),
  );
  const tensor: Tensor = { datatype: 'INT32', shape: [data.length], data: whole };
  return [...inputs, dequantized(rewriter, bias.name, tensor, biasScales, 0)];
}

const floorsFor = (bias: Tensor, activationScale: number): Float32Array =>
  Float32Array.from(
    bias.data as Float32Array,
    (value) => Math.abs(value) / (activationScale * int32Max),
  );

/** A constant as bytes with a DequantizeLinear behind it. */
export function dequantized(
  rewriter: GraphRewriter,
  name: string,
  bytes: Tensor,
  scales: Float32Array<ArrayBuffer>,
  axis: number,
): string {
  const zeros =
    bytes.datatype === 'INT32' ? new Int32Array(scales.length) : new Int8Array(scales.length);
  const shape = [scales.length];
  const inputs = [
    rewriter.constant(bytes, `${name}_bytes`),
    rewriter.constant({ datatype: 'FP32', shape, data: scales }, `${name}_scale`),
    rewriter.constant({ datatype: bytes.datatype, shape, data: zeros }, `${name}_zero`),
  ];
  const output = rewriter.fresh(`${name}_real`);
  return rewriter.add('DequantizeLinear', inputs, { attributes: { axis }, output });
}

interface Scales {
  /** Names of the scale and the zero point, each written once. */
  constants(source: Source): readonly [scale: string, zeroPoint: string];
  affine(source: Source): Affine | undefined;
  /** The scale of the bytes that `value` comes from. */
  of(value: string): number;
}

function createScales(
  index: GraphIndex,
  plan: QdqPlan,
  rewriter: GraphRewriter,
  ranges: ReadonlyMap<string, Range>,
  datatype: ByteType,
): Scales {
  const written = new Map<string, readonly [string, string]>();
  const affine = (source: Source): Affine | undefined =>
    source.kind === 'range'
      ? affineOf(defined(ranges.get(source.of), `a range of '${source.of}'`), datatype)
      : givenAffine(index, source);
  return {
    affine,
    constants(source) {
      if (source.kind === 'given') return [source.scale, source.zeroPoint];
      const found = written.get(source.of);
      if (found !== undefined) return found;
      const { scale, zeroPoint } = defined(affine(source), 'a scale');
      const zero = datatype === 'UINT8' ? Uint8Array.of(zeroPoint) : Int8Array.of(zeroPoint);
      const names = [
        rewriter.constant(
          { datatype: 'FP32', shape: [], data: Float32Array.of(scale) },
          `${source.of}_scale`,
        ),
        rewriter.constant({ datatype, shape: [], data: zero }, `${source.of}_zero`),
      ] as const;
      written.set(source.of, names);
      return names;
    },
    of(value) {
      const source = plan.values.get(value);
      if (source?.kind === 'range') return defined(affine(source), `a scale of '${value}'`).scale;
      return constantScale(index, source?.scale ?? index.producerOf(value)?.input[1] ?? '');
    },
  };
}

function constantScale(index: GraphIndex, name: string): number {
  const constant = index.constantOf(name);
  return Number((constant.ok && constant.value?.data[0]) || 0);
}

function givenAffine(
  index: GraphIndex,
  { scale, zeroPoint }: Extract<Source, { kind: 'given' }>,
): Affine | undefined {
  const zero = index.constantOf(zeroPoint);
  if (!zero.ok || zero.value === undefined) return undefined;
  const { datatype, data } = zero.value;
  if (datatype !== 'UINT8' && datatype !== 'INT8') return undefined;
  return { datatype, scale: constantScale(index, scale), zeroPoint: Number(data[0]) };
}

/** Relus and Clips that do nothing which the bytes behind them do not do by their own limits. */
function redundantClips(index: GraphIndex, plan: QdqPlan, scales: Scales): ReadonlySet<NodeProto> {
  const redundant = new Set<NodeProto>();
  for (const node of plan.nodes.keys()) {
    const clipped = afterClipping(index, node.output[0] as string);
    const clip = clipped === node.output[0] ? undefined : index.producerOf(clipped);
    const affine = clip && affineBehind(index, plan, scales, clipped);
    const limits = clip && clipLimits(index, clip);
    if (clip === undefined || affine === undefined || limits === undefined) continue;
    const reach = reachOf(affine);
    const slack = affine.scale / 2;
    if (limits.min <= reach.min + slack && limits.max >= reach.max - slack) redundant.add(clip);
  }
  return redundant;
}

/** The quantization that a value goes through, the plan's or the graph's own. */
function affineBehind(
  index: GraphIndex,
  plan: QdqPlan,
  scales: Scales,
  value: string,
): Affine | undefined {
  const source = plan.values.get(value);
  if (source !== undefined) return scales.affine(source);
  const readers = index.readersOf(value);
  const [quantize] = readers;
  if (index.isOutput(value) || readers.length !== 1 || quantize?.opType !== 'QuantizeLinear')
    return undefined;
  const [, scale = '', zeroPoint = ''] = quantize.input;
  return givenAffine(index, { kind: 'given', scale, zeroPoint });
}
