// The port to whatever trains a model on a device's own examples: local training as federated learning needs it. Weights
// go in and out as one vector; a backend holds none between calls. Adapters: onnx-trainer (step graphs in onnxruntime),
// tfjs-trainer (TensorFlow.js). One contract suite (testing/trainer-contract.ts) runs against each.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { Tensor } from '../tensor.ts';
import { layoutSize, type ParameterLayout } from './trainable.ts';

export type Weights32 = Float32Array<ArrayBuffer>;

export interface TrainingExamples {
  /** [examples, ...input]: FP32, or UINT8 that the trainer scales. */
  readonly input: Tensor;
  /** The class of each; or, as FP32 [examples, classes], how likely each class is. */
  readonly labels: ArrayLike<number> | Tensor;
}

export interface TrainTask {
  readonly epochs: number;
  /** Examples in a batch; one that is larger than the set, Infinity too, takes the whole set. */
  readonly batch: number;
  readonly learningRate: number;
  readonly momentum?: number;
  /** L2 penalty on weights, not on biases. */
  readonly weightDecay?: number;
  /** FedProx's μ: adds μ · (w − w₀) to each gradient (Li et al., arXiv 1812.06127, eq. 2). */
  readonly proximalMu?: number;
  /** SCAFFOLD's c − cᵢ: added to each gradient (Karimireddy et al., arXiv 1910.06378, eq. 3). */
  readonly control?: Float32Array;
  /** Softens logits where labels are a teacher's: the loss is T² · CE(softmax(logits / T)). */
  readonly temperature?: number;
  /** Ends the work early: a part of it is worth sending. */
  readonly stepsMax?: number;
  /** Of the order in which examples are taken. */
  readonly seed: number;
}

export interface Trained {
  /** New weights − those given. */
  readonly delta: Weights32;
  readonly examples: number;
  readonly steps: number;
  /** Share of the epochs' steps that were taken, 0–1. */
  readonly completed: number;
  /** Mean of `losses`. */
  readonly loss: number;
  /** Of each step's batch, before the step. */
  readonly losses: Float64Array;
}

export interface BatchGradient {
  readonly gradient: Weights32;
  /** The mean over the examples. */
  readonly loss: number;
}

export interface Evaluation {
  readonly examples: number;
  /** Mean joint loss of all exits. */
  readonly loss: number;
  /** Of the last exit. */
  readonly accuracy: number;
  /** One a class: how many examples have it, and how many of those were answered right. */
  readonly labels: readonly LabelEvaluation[];
}

export interface LabelEvaluation {
  readonly examples: number;
  readonly correct: number;
}

export interface Trainer {
  readonly name: string;
  readonly layout: ParameterLayout;
  /**
   * Local SGD from `parameters`. An aborted one ends with what is done. Fails with `invalid_argument` where task, weights
   * or examples do not fit the model, and with `runtime_failed` where the loss is no number any more.
   */
  train(
    parameters: Float32Array,
    examples: TrainingExamples,
    task: TrainTask,
    signal?: AbortSignal,
  ): Promise<Result<Trained>>;
  /** Of the mean loss over all the examples. Fails as `train`. */
  gradient(parameters: Float32Array, examples: TrainingExamples): Promise<Result<BatchGradient>>;
  evaluate(parameters: Float32Array, examples: TrainingExamples): Promise<Result<Evaluation>>;
  close(): Promise<void>;
}

/** What every backend refuses alike. */
export function checkTask(layout: ParameterLayout, task: TrainTask): Result<TrainTask> {
  const { momentum = 0, control, proximalMu = 0, weightDecay = 0, temperature = 1 } = task;
  const size = layoutSize(layout);
  const wrong = [
    [!(Number.isInteger(task.epochs) && task.epochs > 0), 'epochs'],
    [!(task.batch >= 1), 'batch'],
    [!(task.learningRate > 0 && Number.isFinite(task.learningRate)), 'learningRate'],
    [!(momentum >= 0 && momentum < 1), 'momentum'],
    [!(proximalMu >= 0 && Number.isFinite(proximalMu)), 'proximalMu'],
    [!(weightDecay >= 0 && Number.isFinite(weightDecay)), 'weightDecay'],
    [!(temperature > 0 && Number.isFinite(temperature)), 'temperature'],
    [!((task.stepsMax ?? 1) >= 1), 'stepsMax'],
    [control !== undefined && control.length !== size, `control, of ${size} numbers`],
  ].find(([isWrong]) => isWrong);
  return wrong === undefined
    ? ok(task)
    : err(failure('invalid_argument', `a training task without a usable ${wrong[1]}`));
}

export function checkParameters(
  layout: ParameterLayout,
  parameters: Float32Array,
): Result<Float32Array> {
  const size = layoutSize(layout);
  return parameters.length === size
    ? ok(parameters)
    : err(failure('invalid_argument', `${parameters.length} weights for a model of ${size}`));
}
