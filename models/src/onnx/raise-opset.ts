// A model written for opset 11 or 12 as one of opset 13, where the operators say the same in other words: axes and sizes
// became inputs, and Softmax no longer flattens what it is given. (github.com/onnx/onnx, docs/Changelog.md)

import { err, failure, ok, type Result } from '@skerry/shared';
import type { Tensor } from '../tensor.ts';
import { attributeOf, opsetOf } from './graph-index.ts';
import { type GraphRewriter, rewriteGraph } from './graph-rewriter.ts';
import type { AttributeProto, ModelProto, NodeProto } from './model-proto.ts';

export const raisedOpset = 13;
const oldestOpset = 11;
/** That opset 13 came with. */
const irVersionMin = 7n;
/** A mode of Resize that opset 13 no longer has. */
const droppedMode = 'tf_half_pixel_for_nn';

type Rewrite = (node: NodeProto, rewriter: GraphRewriter) => void;

const standardDomains: ReadonlySet<string> = new Set(['', 'ai.onnx']);

/** An attribute of whole numbers that has become the last input. */
const asInput =
  (name: string): Rewrite =>
  (node, rewriter) => {
    const attribute = attributeOf(node, name);
    if (attribute === undefined) return rewriter.keep(node);
    const data = BigInt64Array.from(attribute.ints ?? []);
    const tensor: Tensor = { datatype: 'INT64', shape: [data.length], data };
    const value = rewriter.constant(tensor, `${node.output[0]}_${name}`);
    rewriter.keep(without(node, name), { input: [...node.input, value] });
  };

/** Along all axes from `axis` on, by default 1: in opset 13 along one alone. */
const flattening: Rewrite = (node, rewriter) => {
  const axis = Number(attributeOf(node, 'axis')?.i ?? 1);
  if (axis === -1) return rewriter.keep(node);
  const [input = ''] = node.input;
  const shape = rewriter.add('Shape', [input]);
  const flat = rewriter.add('Flatten', [input], { attributes: { axis } });
  const along = rewriter.add(node.opType, [flat], { attributes: { axis: -1 } });
  rewriter.add('Reshape', [along, shape], { output: node.output[0] });
};

const rewrites: Readonly<Record<string, Rewrite>> = {
  Squeeze: asInput('axes'),
  Unsqueeze: asInput('axes'),
  ReduceSum: asInput('axes'),
  Split: asInput('split'),
  Softmax: flattening,
  LogSoftmax: flattening,
  Hardmax: flattening,
  // It does nothing outside of training, whatever its ratio.
  Dropout: (node, rewriter) => rewriter.keep(without(node, 'ratio')),
};

/** The model itself where it is new enough. Fails with `invalid_bundle` where opset 13 has no words for it. */
export function raiseOpset(model: ModelProto): Result<ModelProto> {
  const opset = opsetOf(model);
  if (opset >= raisedOpset) return ok(model);
  const invalid = (what: string) =>
    err(failure('invalid_bundle', `opset ${opset} cannot be read as ${raisedOpset}: ${what}`));
  if (opset < oldestOpset) return invalid(`only ${oldestOpset} and later can`);
  const { node } = model.graph;
  if (node.some(({ attribute }) => attribute.some(({ g, graphs }) => g || graphs?.length)))
    return invalid('there are graphs inside it');
  if (node.some((one) => one.opType === 'Resize' && attributeText(one, modeName) === droppedMode))
    return invalid(`it resizes by ${droppedMode}`);
  const rewriter = rewriteGraph(model);
  for (const one of node) {
    const rewrite = standardDomains.has(one.domain ?? '') ? rewrites[one.opType] : undefined;
    if (rewrite === undefined) rewriter.keep(one);
    else rewrite(one, rewriter);
  }
  const { opsetImport, irVersion, ...raised } = rewriter.build();
  return ok({
    ...raised,
    irVersion: irVersion < irVersionMin ? irVersionMin : irVersion,
    opsetImport: opsetImport.map((entry) =>
      standardDomains.has(entry.domain ?? '') ? { ...entry, version: BigInt(raisedOpset) } : entry,
    ),
  });
}

const modeName = 'coordinate_transformation_mode';

const without = (node: NodeProto, name: string): NodeProto => ({
  ...node,
  attribute: node.attribute.filter((attribute: AttributeProto) => attribute.name !== name),
});

function attributeText(node: NodeProto, name: string): string {
  const bytes = attributeOf(node, name)?.s;
  return bytes === undefined ? '' : new TextDecoder().decode(bytes);
}
