import type { GraphBuilder } from '../onnx/graph-builder.ts';
import { int64s, scalar } from './constants.ts';

export interface Loss {
  /** The batch's mean, a scalar. */
  readonly value: string;
  /** d (weight · value) / d logits. */
  readonly gradient: string;
}

/** Mean over the batch of −log softmax(logits)[label]; `oneHot` is [batch, classes]. */
export function softmaxCrossEntropy(
  graph: GraphBuilder,
  logits: string,
  oneHot: string,
  options: { readonly batch: number; readonly weight: number },
): Loss {
  const perExample = 1 / options.batch;
  const logProbabilities = graph.add('LogSoftmax', [logits], { axis: 1 });
  const likelihood = graph.add('Mul', [logProbabilities, oneHot]);
  const sum = graph.add('ReduceSum', [likelihood, int64s(graph, [0, 1])], { keepdims: 0 });
  const error = graph.add('Sub', [graph.add('Exp', [logProbabilities]), oneHot]);
  return {
    value: graph.add('Mul', [sum, scalar(graph, -perExample)]),
    gradient: graph.add('Mul', [error, scalar(graph, options.weight * perExample)]),
  };
}
