// Two graphs from one, cut at a value that alone joins them. With bytes across, the device's half ends in a
// QuantizeLinear and the cloud's begins with the DequantizeLinear that undoes it, so that what travels is a plain tensor
// of bytes, and no one between them must know a scale.

import { defined } from '@skerry/shared';
import { type GraphRewriter, rewriteGraph } from '../onnx/graph-rewriter.ts';
import type { ModelProto, NodeProto, ValueInfoProto } from '../onnx/model-proto.ts';
import { pruneGraph } from '../onnx/prune-graph.ts';
import { elementTypes } from '../onnx/tensor-proto.ts';
import type { Affine } from '../quantize/affine.ts';
import type { Tensor } from '../tensor.ts';
import type { Cut } from './find-cuts.ts';

export interface Halves {
  /** The graph's inputs in; `cut`, and those outputs that do not lie behind it, out. */
  readonly device: ModelProto;
  /** `cut` in; the other outputs out. */
  readonly cloud: ModelProto;
  /** What travels is named `cut`, or, where the graph has a value of that name, like it. */
  readonly name: string;
}

export interface CutShape {
  /** Of the value, as it was seen; the first dimension varies. */
  readonly shape: readonly number[];
  readonly datatype: Tensor['datatype'];
}

/** `affine`: how the cut travels as bytes; undefined leaves it as it is. */
export function splitGraph(
  model: ModelProto,
  cut: Cut,
  seen: CutShape,
  affine: Affine | undefined,
): Halves {
  const name = rewriteGraph(model).fresh('cut');
  const at: Crossing = {
    ...cut,
    behind: new Set(cut.behind),
    name,
    info: cutInfo(name, seen, affine),
    affine,
  };
  return { device: deviceHalf(model, at), cloud: cloudHalf(model, at), name };
}

interface Crossing {
  readonly value: string;
  readonly behind: ReadonlySet<NodeProto>;
  readonly name: string;
  readonly info: ValueInfoProto;
  readonly affine: Affine | undefined;
}

function deviceHalf(
  model: ModelProto,
  { value, behind, name, info, affine }: Crossing,
): ModelProto {
  const rewriter = rewriteGraph(model);
  for (const node of model.graph.node) if (!behind.has(node)) rewriter.keep(node);
  if (affine === undefined) rewriter.add('Identity', [value], { output: name });
  else rewriter.add('QuantizeLinear', [value, ...scaleOf(rewriter, affine)], { output: name });
  const output = model.graph.output.filter((made) => !liesBehind(behind, made.name));
  return pruneGraph(rewriter.build({ name: 'device', output: [...output, info] }));
}

function cloudHalf(model: ModelProto, { value, behind, name, info, affine }: Crossing): ModelProto {
  const rewriter = rewriteGraph(model);
  if (affine === undefined) rewriter.add('Identity', [name], { output: value });
  else rewriter.add('DequantizeLinear', [name, ...scaleOf(rewriter, affine)], { output: value });
  // What is computed from constants alone may stand on either side: it is left out again where nothing reads it.
  for (const node of model.graph.node) if (!node.output.includes(value)) rewriter.keep(node);
  const output = model.graph.output.filter((made) => liesBehind(behind, made.name));
  return pruneGraph(rewriter.build({ name: 'cloud', input: [info], output }));
}

const liesBehind = (behind: ReadonlySet<NodeProto>, value: string): boolean =>
  [...behind].some(({ output }) => output.includes(value));

function scaleOf(rewriter: GraphRewriter, { datatype, scale, zeroPoint }: Affine): string[] {
  const zero = datatype === 'UINT8' ? Uint8Array.of(zeroPoint) : Int8Array.of(zeroPoint);
  return [
    rewriter.constant({ datatype: 'FP32', shape: [], data: Float32Array.of(scale) }, 'cut_scale'),
    rewriter.constant({ datatype, shape: [], data: zero }, 'cut_zero'),
  ];
}

function cutInfo(
  name: string,
  { shape, datatype }: CutShape,
  affine: Affine | undefined,
): ValueInfoProto {
  const elemType = defined(elementTypes[affine?.datatype ?? datatype], 'an element type');
  const dim = shape.map((size, axis) =>
    axis === 0 ? { dimParam: 'batch' } : { dimValue: BigInt(size) },
  );
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
