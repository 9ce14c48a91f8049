import type { GraphBuilder } from '../onnx/graph-builder.ts';
import { sumOver } from './constants.ts';

export interface Loss {
  /** The batch's mean, a scalar. */
  readonly value: string;
  /** d value / d logits. */
  readonly gradient: string;
}

export interface LossInputs {
  /** [batch, classes]; each row is a distribution: one class, or what a teacher thinks of each. */
  readonly targets: string;
  /** FP32 scalar: examples in the batch. */
  readonly rows: string;
  /**
   * FP32 scalar T: logits are divided by it, and the loss is multiplied by T², so that its gradients keep their size
   * (Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531 §2).
   */
  readonly temperature: string;
}

/** Mean over the batch of −T² Σ target · log softmax(logits / T). */
export function softmaxCrossEntropy(
  graph: GraphBuilder,
  logits: string,
  { targets, rows, temperature }: LossInputs,
): Loss {
  const scaled = graph.add('Div', [logits, temperature]);
  const logProbabilities = graph.add('LogSoftmax', [scaled], { axis: 1 });
  const likelihood = sumOver(graph, graph.add('Mul', [logProbabilities, targets]), [0, 1]);
  const error = graph.add('Sub', [graph.add('Exp', [logProbabilities]), targets]);
  // d/dlogits of T² · CE(logits / T) is T · error.
  const perExample = graph.add('Div', [temperature, rows]);
  const mean = graph.add('Mul', [graph.add('Mul', [likelihood, temperature]), perExample]);
  return {
    value: graph.add('Neg', [mean]),
    gradient: graph.add('Mul', [error, perExample]),
  };
}
