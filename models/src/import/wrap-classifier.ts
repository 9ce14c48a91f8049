// A classifier of images as a bundle's stage takes it: UINT8 pixels of one size in, logits out. What its own input needs
// on the way (another size, another scale, channels last) becomes part of the graph, so that neither the device nor the
// cloud has to know.

import { defined, err, failure, ok, type Result } from '@skerry/shared';
import { indexGraph } from '../onnx/graph-index.ts';
import { type GraphRewriter, rewriteGraph } from '../onnx/graph-rewriter.ts';
import type { ModelProto, NodeProto, ValueInfoProto } from '../onnx/model-proto.ts';
import { raiseOpset } from '../onnx/raise-opset.ts';
import { elementTypes } from '../onnx/tensor-proto.ts';
import type { TensorSpec } from '../tensor.ts';

export interface ImageInput {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** What a model takes is (pixel − mean) × scale, of each channel, or of all alike. */
export interface Normalisation {
  readonly mean: readonly number[];
  readonly scale: readonly number[];
}

export const stageInput = 'image';
export const stageOutput = 'logits';

/** Where height and width stand in what the model takes; undefined where it takes no image. */
export function imageOf({
  shape,
}: TensorSpec): (ImageInput & { channelsLast: boolean }) | undefined {
  const [, a = 0, b = 0, c = 0] = shape;
  if (shape.length !== 4) return undefined;
  if (a === 1 || a === 3) return { channels: a, height: b, width: c, channelsLast: false };
  if (c === 1 || c === 3) return { channels: c, height: a, width: b, channelsLast: true };
  return undefined;
}

/** Fails with `invalid_bundle` where the model is no classifier of images, or too old. */
export function wrapClassifier(
  given: ModelProto,
  input: TensorSpec,
  size: ImageInput,
  normalisation: Normalisation,
): Result<ModelProto> {
  const invalid = (why: string) => err(failure('invalid_bundle', why));
  const takes = imageOf(input);
  if (takes === undefined) return invalid(`'${input.name}' [${input.shape}] is no image`);
  if (takes.channels !== size.channels)
    return invalid(`it takes ${takes.channels} channels, the bundle has ${size.channels}`);
  if (takes.height < 1 || takes.width < 1)
    return invalid(`'${input.name}' [${input.shape}] leaves its size open: state it in the graph`);
  if (input.datatype !== 'FP32') return invalid(`'${input.name}' is ${input.datatype}, not FP32`);
  // Resize takes its output's size since opset 13.
  const raised = raiseOpset(given);
  if (!raised.ok) return raised;
  const model = raised.value;
  const [output, second] = model.graph.output;
  if (output === undefined || second !== undefined) return invalid('it has not exactly one output');

  const rewriter = rewriteGraph(model);
  const image = rewriter.fresh(stageInput);
  if (image !== stageInput) return invalid(`it has a value named '${stageInput}' already`);
  const pixels = emitInput(rewriter, image, takes, size, normalisation);
  const logits = logitsBehind(model, output.name);
  for (const node of model.graph.node)
    rewriter.keep(node, { input: node.input.map((v) => (v === input.name ? pixels : v)) });
  rewriter.add('Identity', [logits], { output: rewriter.fresh(stageOutput) });
  const spec = valueInfo(image, 'UINT8', [size.channels, size.height, size.width]);
  return ok(rewriter.build({ input: [spec], output: [valueInfo(stageOutput, 'FP32', undefined)] }));
}

function emitInput(
  rewriter: GraphRewriter,
  image: string,
  takes: ImageInput & { readonly channelsLast: boolean },
  size: ImageInput,
  { mean, scale }: Normalisation,
): string {
  const perChannel = (values: readonly number[], name: string): string =>
    rewriter.constant(
      { datatype: 'FP32', shape: [values.length, 1, 1], data: Float32Array.from(values) },
      `image_${name}`,
    );
  let value = rewriter.add('Cast', [image], { attributes: { to: elementTypes.FP32 } });
  if (takes.height !== size.height || takes.width !== size.width)
    value = emitResize(rewriter, image, value, takes);
  if (mean.some((m) => m !== 0)) value = rewriter.add('Sub', [value, perChannel(mean, 'mean')]);
  if (scale.some((s) => s !== 1)) value = rewriter.add('Mul', [value, perChannel(scale, 'scale')]);
  if (!takes.channelsLast) return value;
  return rewriter.add('Transpose', [value], { attributes: { perm: [0, 2, 3, 1] } });
}

/** To a size, not by factors: 160 / 224 · 224 is a little less than 160. */
function emitResize(rewriter: GraphRewriter, image: string, value: string, to: ImageInput): string {
  const int64s = (values: readonly number[], name: string): string =>
    rewriter.constant(
      {
        datatype: 'INT64',
        shape: [values.length],
        data: BigInt64Array.from(values.map(BigInt)),
      },
      `image_${name}`,
    );
  const shape = rewriter.add('Shape', [image]);
  const bounds = [int64s([0], 'from'), int64s([2], 'to')];
  const rows = rewriter.add('Slice', [shape, ...bounds]);
  const sizes = rewriter.add('Concat', [rows, int64s([to.height, to.width], 'size')], {
    attributes: { axis: 0 },
  });
  return rewriter.add('Resize', [value, '', '', sizes], {
    attributes: { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
  });
}

/** A classifier's output, or, where that is a softmax, what it is taken of: calibration divides logits, not shares. */
function logitsBehind({ graph }: ModelProto, output: string): string {
  const index = indexGraph(graph);
  let made: NodeProto | undefined = index.producerOf(output);
  while (made?.opType === 'Identity') made = index.producerOf(made.input[0] ?? '');
  return made?.opType === 'Softmax' ? defined(made.input[0], 'what a softmax takes') : output;
}

function valueInfo(
  name: string,
  datatype: 'UINT8' | 'FP32',
  row: readonly number[] | undefined,
): ValueInfoProto {
  const dim = row?.map((size) => ({ dimValue: BigInt(size) }));
  const shape = dim && { shape: { dim: [{ dimParam: 'batch' }, ...dim] } };
  return { name, type: { tensorType: { elemType: elementTypes[datatype], ...shape } } };
}
