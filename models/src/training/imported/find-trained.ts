// Which weights of an imported graph are trained, and what of the graph that leaves to be computed at each step.

import { err, failure, ok, type Result } from '@skerry/shared';
import { type GraphIndex, valuesRead } from '../../onnx/graph-index.ts';
import type { NodeProto } from '../../onnx/model-proto.ts';
import { nodesBefore } from '../../onnx/prune-graph.ts';
import { elementTypes } from '../../onnx/tensor-proto.ts';
import { ruleOf } from './operator-rules.ts';

export const trainScopes = ['all', 'head'] as const;
/** `head`: what the logits alone depend on; of a graph with no other output, its last product of matrices. */
export type TrainScope = (typeof trainScopes)[number];

export interface TrainedPart {
  /** Constants of the graph, in the order in which they are read first. */
  readonly parameters: readonly string[];
  /** The nodes between a parameter and the logits, in order. */
  readonly nodes: readonly NodeProto[];
  /** What those nodes read that no parameter has part in: it is the same at each step. */
  readonly features: string;
  readonly logits: string;
}

/** Fails with `invalid_bundle` where there is nothing to train, or where it would read more than one value. */
export function findTrained(
  index: GraphIndex,
  output: string,
  scope: TrainScope,
): Result<TrainedPart> {
  const refuse = (message: string) => err(failure('invalid_bundle', message));
  const logits = logitsBefore(index, output);
  const before = nodesBefore(index, [logits]);
  const order = index.graph.node.filter((node) => before.has(node));
  const all = parametersOf(index, order);
  if (all.length === 0)
    return refuse(`'${output}' depends on no FP32 weights: a quantized variant is not trained`);
  const parameters = scope === 'all' ? all : headOf(index, order, all, output);
  const tracked = new Set(parameters);
  const nodes = order.filter((node) => {
    const depends = node.input.some((value) => tracked.has(value));
    if (depends) for (const value of node.output) tracked.add(value);
    return depends;
  });
  const read = nodes.flatMap(valuesRead).filter((value) => !tracked.has(value));
  const features = [...new Set(read)].filter((value) => index.initializerOf(value) === undefined);
  const [only, second] = features;
  if (only === undefined) return refuse(`'${output}' depends on no input`);
  if (second !== undefined)
    return refuse(`what is trained reads ${features.map((f) => `'${f}'`).join(' and ')}, not one`);
  return ok({ parameters, nodes, features: only, logits });
}

/** What a softmax at the end is taken of: the loss has its own. */
function logitsBefore(index: GraphIndex, output: string): string {
  const node = index.producerOf(output);
  const [input = ''] = node?.input ?? [];
  if (node?.opType === 'Identity') return logitsBefore(index, input);
  return node?.opType === 'Softmax' || node?.opType === 'LogSoftmax' ? input : output;
}

function parametersOf(index: GraphIndex, nodes: readonly NodeProto[]): string[] {
  const isWeight = (value: string): boolean =>
    index.initializerOf(value)?.dataType === elementTypes.FP32 &&
    (index.initializerOf(value)?.dims.length ?? 0) > 0;
  const read = nodes.flatMap((node) =>
    (ruleOf(node)?.weights ?? []).map((place) => node.input[place] ?? ''),
  );
  return [...new Set(read.filter(isWeight))];
}

function headOf(
  index: GraphIndex,
  order: readonly NodeProto[],
  all: readonly string[],
  output: string,
): readonly string[] {
  const others = index.graph.output.map(({ name }) => name).filter((name) => name !== output);
  const shared = new Set([...nodesBefore(index, others)].flatMap(valuesRead));
  const own = all.filter((parameter) => !shared.has(parameter));
  if (others.length > 0 && own.length > 0) return own;
  const reads = (node: NodeProto): boolean => node.input.some((value) => all.includes(value));
  const last = order.findLastIndex((node) => isMatrixProduct.test(node.opType) && reads(node));
  const behind = new Set(order.slice(Math.max(0, last)).flatMap(({ input }) => input));
  return all.filter((parameter) => behind.has(parameter));
}

const isMatrixProduct = /^(Gemm|MatMul)$/;
