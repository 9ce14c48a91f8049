// A first convolution reads one channel, and in bytes most of its time goes into fetching them one by one: kernel² of
// them for each place. So four neighbours of a row become four channels, which a channels-last runtime has for nothing:
//
//   [1, H, W] ─ Reshape ─ [4, H, W/4] ─ Conv ─ [2·M, H/2, W/4] ─ Reshape ─ [M, H/2, W/2]
//
// The kernel is as wide as the groups that it reaches into, with zeros where it did not reach, and computes both places
// whose window begins in a group. The same products are summed: the results are the same.

import { assert, defined } from '@skerry/shared';
import { attributeOf, type GraphIndex, indexGraph, intAttribute } from '../onnx/graph-index.ts';
import { type GraphRewriter, rewriteGraph } from '../onnx/graph-rewriter.ts';
import type { ModelProto, NodeProto } from '../onnx/model-proto.ts';
import type { Tensor } from '../tensor.ts';
import { nameOf } from './plan-qdq.ts';

/** Neighbours that become channels, and the places that they are the start of at stride 2. */
const group = 4;
const stride = 2;
const places = group / stride;

interface Wide {
  readonly input: string;
  readonly weights: Tensor;
  readonly bias: Tensor | undefined;
  readonly height: number;
  readonly width: number;
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
}

/** Rewrites what is a convolution of stride 2 over the only channel of an input of known size; the rest stays. */
export function widenFirstConv(model: ModelProto, excluded: ReadonlySet<string>): ModelProto {
  const index = indexGraph(model.graph);
  const isExcluded = (node: NodeProto): boolean =>
    excluded.has(nameOf(node)) || excluded.has(node.opType);
  const conv = model.graph.node.find((node) => node.opType === 'Conv' && !isExcluded(node));
  const wide = conv && planWide(index, conv);
  if (conv === undefined || wide === undefined) return model;
  // A Relu computes place by place: it stays beside its convolution, where it costs nothing in bytes.
  const relu = onlyReader(index, conv, 'Relu');
  const rewriter = rewriteGraph(model);
  for (const node of model.graph.node)
    if (node === conv) emit(rewriter, wide, conv, relu);
    else if (node !== relu) rewriter.keep(node);
  return rewriter.build();
}

function onlyReader(index: GraphIndex, node: NodeProto, opType: string): NodeProto | undefined {
  const made = defined(node.output[0], 'its result');
  const [reader, ...others] = index.readersOf(made);
  const isOnly = others.length === 0 && !index.isOutput(made);
  return isOnly && reader?.opType === opType ? reader : undefined;
}

function planWide(index: GraphIndex, node: NodeProto): Wide | undefined {
  const [input = '', weightName = '', biasName = ''] = node.input;
  const [, channels, height = 0, width = 0] = sizesBehind(index, input) ?? [];
  const weights = floatsOf(index, weightName);
  const bias = biasName === '' ? undefined : floatsOf(index, biasName);
  if (weights?.shape.length !== 4 || (biasName !== '' && bias === undefined)) return undefined;
  const [, , kernelHeight = 0, kernelWidth = 0] = weights.shape;
  const ints = (name: string, fallback: readonly number[]): readonly number[] =>
    attributeOf(node, name)?.ints?.map(Number) ?? fallback;
  const [top = 0, left = 0, bottom = 0, right = 0] = ints('pads', [0, 0, 0, 0]);
  const placesOf = (size: number, kernel: number): number =>
    Math.floor((size - kernel) / stride) + 1;
  const isPlain =
    intAttribute(node, 'group', 1) === 1 &&
    ints('dilations', [1, 1]).every((each) => each === 1) &&
    ints('strides', [1, 1]).every((each) => each === stride) &&
    (attributeOf(node, 'auto_pad')?.s?.length ?? 0) === 0;
  const fits =
    channels === 1 &&
    width % group === 0 &&
    height % stride === 0 &&
    placesOf(width + left + right, kernelWidth) === width / stride &&
    placesOf(height + top + bottom, kernelHeight) === height / stride;
  if (!isPlain || !fits) return undefined;
  return { input, weights, bias, height, width, pads: [top, left, bottom, right] };
}

/** Of a graph's input, or of what a DequantizeLinear makes of one. */
function sizesBehind(index: GraphIndex, value: string): readonly number[] | undefined {
  const maker = index.producerOf(value);
  const input = maker?.opType === 'DequantizeLinear' ? maker.input[0] : value;
  const type = index.graph.input.find(({ name }) => name === input)?.type?.tensorType;
  return type?.shape?.dim.map(({ dimValue }) => Number(dimValue ?? -1));
}

function floatsOf(index: GraphIndex, name: string): Tensor | undefined {
  const tensor = index.constantOf(name);
  return tensor.ok && tensor.value?.datatype === 'FP32' ? tensor.value : undefined;
}

function emit(
  rewriter: GraphRewriter,
  { input, weights, bias, height, width, pads }: Wide,
  conv: NodeProto,
  relu: NodeProto | undefined,
): void {
  const [top, left, bottom] = pads;
  const [channels = 0] = weights.shape;
  const kernel = widenKernel(weights, left);
  const name = defined(conv.output[0], 'its result');
  const shape = (sizes: readonly number[]): string =>
    rewriter.constant(
      { datatype: 'INT64', shape: [sizes.length], data: BigInt64Array.from(sizes.map(BigInt)) },
      `${name}_shape`,
    );
  const toChannelsLast = { perm: [0, 2, 3, 1] };
  const toChannelsFirst = { perm: [0, 3, 1, 2] };
  const rows = rewriter.add('Reshape', [input, shape([-1, height, width / group, group])]);
  const inputs = [
    rewriter.add('Transpose', [rows], { attributes: toChannelsFirst }),
    rewriter.constant(kernel.tensor, `${name}_weight_wide`),
  ];
  if (bias !== undefined) inputs.push(rewriter.constant(repeated(bias), `${name}_bias_wide`));
  const [, , kernelHeight = 0, kernelWidth = 0] = kernel.tensor.shape;
  const attributes = {
    kernel_shape: [kernelHeight, kernelWidth],
    strides: [stride, 1],
    pads: [top, kernel.groupsBefore, bottom, kernelWidth - kernel.groupsBefore - 1],
  };
  let made = rewriter.add('Conv', inputs, { attributes, output: rewriter.fresh(`${name}_wide`) });
  if (relu) made = rewriter.add('Relu', [made]);
  const last = rewriter.add('Transpose', [made], { attributes: toChannelsLast });
  const apart = shape([-1, height / stride, width / stride, channels]);
  rewriter.add('Transpose', [rewriter.add('Reshape', [last, apart])], {
    attributes: toChannelsFirst,
    output: relu?.output[0] ?? name,
  });
}

/** [M, 1, h, w] as [places · M, group, h, groups]: the columns of the first place's window, then of the second's. */
function widenKernel(
  { shape, data }: Tensor,
  padLeft: number,
): { readonly tensor: Tensor; readonly groupsBefore: number } {
  assert(data instanceof Float32Array, 'the weights are real');
  const [channels = 0, , height = 0, width = 0] = shape;
  const groupsBefore = Math.ceil(padLeft / group);
  const lastColumn = (places - 1) * stride - padLeft + width - 1;
  const groups = groupsBefore + Math.floor(lastColumn / group) + 1;
  const wide = new Float32Array(places * channels * group * height * groups);
  for (let place = 0; place < places; place++)
    for (let channel = 0; channel < channels; channel++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const column = groupsBefore * group + place * stride - padLeft + x;
          const out = (place * channels + channel) * group + (column % group);
          const at = (out * height + y) * groups + Math.floor(column / group);
          wide[at] = data[(channel * height + y) * width + x] as number;
        }
  const wideShape = [places * channels, group, height, groups];
  return { tensor: { datatype: 'FP32', shape: wideShape, data: wide }, groupsBefore };
}

function repeated({ data, shape: [channels = 0] }: Tensor): Tensor {
  const each = Array.from({ length: places }, () => [...(data as Float32Array)]).flat();
  return { datatype: 'FP32', shape: [places * channels], data: Float32Array.from(each) };
}
