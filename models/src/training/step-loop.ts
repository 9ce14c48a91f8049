// Many training steps as one ordinary ONNX graph: a Loop whose state is the weights, so that they cross into the runtime
// once a run and not once a step. It needs no training build of a runtime: a device runs it as it runs any model.

import { defined } from '@skerry/shared';
import { createGraphBuilder, type GraphBuilder } from '../onnx/graph-builder.ts';
import type { GraphProto, ModelProto } from '../onnx/model-proto.ts';
import { int64s, scalar } from './constants.ts';
import { type Gradient, sizeOf } from './layers/layer.ts';
import type { Parameter } from './network.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';
import type { EmittedForward, Trainable } from './trainable.ts';

/** What a step has besides the loss's gradient. Each costs passes over all weights, so the graph has what is asked for. */
export interface StepKind {
  readonly momentum: boolean;
  /** Adds pull · w to the gradient, plus decay · w where w is no bias. FedProx's μ is a pull, an L2 penalty a decay. */
  readonly pull: boolean;
  /** Takes an offset from the gradient: FedProx's μ · w₀, SCAFFOLD's cᵢ − c. */
  readonly offset: boolean;
}

export const stepInputs = {
  /** FP32 [weights]: all of them in one vector. */
  parameters: 'parameters',
  /** FP32 [weights], where there is momentum. */
  velocity: 'velocity',
  /** FP32 [rows, ...input] and FP32 [rows, classes]: the batches of all steps, one after the other. */
  examples: 'examples',
  targets: 'targets',
  /** INT64 [steps + 1]: step i takes the rows from the i-th bound to the next. */
  bounds: 'bounds',
  /** FP32 [steps]. */
  learningRates: 'learning_rates',
  temperature: 'temperature',
  /** FP32 scalars, where the kind of step has them. */
  momentum: 'momentum',
  pull: 'pull',
  decay: 'decay',
  /** FP32 [weights]. */
  offset: 'offset',
} as const;

export const stepOutputs = {
  parameters: 'parameters.out',
  velocity: 'velocity.out',
  /** FP32 [steps, exits]: each exit's mean loss on the step's batch, before the step. */
  losses: 'losses',
} as const;

/**
 * SGD on the joint loss Σ lossWeight · cross-entropy at each exit:
 * m ← momentum · m + gradient; w ← w − learning rate · m.
 */
export function createStepLoop(trainable: Trainable, kind: StepKind): ModelProto {
  const graph = createGraphBuilder('training-steps');
  const { parameters } = trainable;
  const size = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const vector = (name: string, has: boolean): string[] =>
    has ? split(graph, graph.input(name, 'FP32', [size]), parameters) : [];
  const weights = vector(stepInputs.parameters, true);
  const velocity = vector(stepInputs.velocity, kind.momentum);
  const offsets = vector(stepInputs.offset, kind.offset);
  declareBatches(graph, trainable);
  graph.input(stepInputs.bounds, 'INT64', [-1]);
  graph.input(stepInputs.learningRates, 'FP32', [-1]);
  if (kind.momentum) graph.input(stepInputs.momentum, 'FP32', []);
  if (kind.pull)
    for (const name of [stepInputs.pull, stepInputs.decay]) graph.input(name, 'FP32', []);

  const state = [...weights, ...velocity];
  const steps = graph.add('Size', [stepInputs.learningRates]);
  const body = createBody(graph, trainable, kind, offsets);
  const attributes = { body: { graph: body } };
  const outputs = graph.addMany('Loop', [steps, '', ...state], state.length + 1, attributes);
  join(graph, outputs.slice(0, weights.length), stepOutputs.parameters, size);
  if (kind.momentum) join(graph, outputs.slice(weights.length, -1), stepOutputs.velocity, size);
  graph.add('Identity', [outputs.at(-1) as string], {}, stepOutputs.losses);
  graph.output(stepOutputs.losses, 'FP32', [-1, trainable.exits.length]);
  return graph.build();
}

/** The batch's gradient as one vector, and each exit's loss: one pass without a step. */
export function createGradientGraph(trainable: Trainable): ModelProto {
  const graph = createGraphBuilder('gradient');
  const { parameters } = trainable;
  const size = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const weights = split(graph, graph.input(stepInputs.parameters, 'FP32', [size]), parameters);
  declareBatches(graph, trainable);
  const values = new Map(parameters.map(({ name }, i) => [name, weights[i] as string]));
  const { pass, losses, atLogits } = emitLoss(graph, trainable, {
    examples: stepInputs.examples,
    targets: stepInputs.targets,
    parameterValue: (name) => defined(values.get(name), name),
  });
  const gradients = pass.backward(atLogits);
  const each = parameters.map(({ name }) => defined(gradients.get(name), name)());
  join(graph, each, stepOutputs.parameters, size);
  const all = graph.add('Concat', losses, { axis: 0 });
  graph.add('Reshape', [all, int64s(graph, [1, -1])], {}, stepOutputs.losses);
  graph.output(stepOutputs.losses, 'FP32', [1, trainable.exits.length]);
  return graph.build();
}

/** Logits of every exit, named by `logitsName`. */
export function createForwardGraph(trainable: Trainable): ModelProto {
  const graph = createGraphBuilder('forward');
  const { parameters, exits } = trainable;
  const size = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const weights = split(graph, graph.input(stepInputs.parameters, 'FP32', [size]), parameters);
  const examples = graph.input(stepInputs.examples, 'FP32', [-1, ...trainable.input]);
  const values = new Map(parameters.map(({ name }, i) => [name, weights[i] as string]));
  const { logits } = trainable.emit(graph, examples, {
    training: false,
    parameterValue: (name) => defined(values.get(name), name),
  });
  for (const [i, { classes }] of exits.entries()) {
    graph.add('Identity', [defined(logits[i], 'logits')], {}, logitsName(i + 1));
    graph.output(logitsName(i + 1), 'FP32', [-1, classes]);
  }
  return graph.build();
}

export const logitsName = (exit: number): string => `logits.${exit}`;

function declareBatches(graph: GraphBuilder, { input, exits }: Trainable): void {
  graph.input(stepInputs.examples, 'FP32', [-1, ...input]);
  graph.input(stepInputs.targets, 'FP32', [-1, defined(exits[0], 'an exit').classes]);
  graph.input(stepInputs.temperature, 'FP32', []);
}

/** One step. It reads the batches from the graph around it. */
function createBody(
  outer: GraphBuilder,
  trainable: Trainable,
  kind: StepKind,
  offsets: readonly string[],
): GraphProto {
  const graph = outer.body('training-step');
  const { parameters } = trainable;
  const step = graph.input('step', 'INT64', []);
  const goOn = graph.input('go_on', 'BOOL', []);
  // By number: an imported graph's own names may be any.
  const state = (what: string): string[] =>
    parameters.map(({ shape }, i) => graph.input(`${what}.${i}`, 'FP32', shape));
  const weights = state('weight');
  const velocity = kind.momentum ? state('velocity') : [];
  const values = new Map(parameters.map(({ name }, i) => [name, weights[i] as string]));
  const learningRate = graph.add('Gather', [stepInputs.learningRates, step]);
  const { pass, losses, atLogits } = emitLoss(graph, trainable, {
    ...takeBatch(graph, step),
    parameterValue: (name) => defined(values.get(name), name),
  });
  // Without momentum a step is linear in the gradient, so the rate is applied where the gradient is small: at the logits.
  const against = graph.add('Neg', [learningRate]);
  const scaled = kind.momentum
    ? atLogits
    : atLogits.map((gradient) => graph.add('Mul', [gradient, against]));
  const gradients = pass.backward(scaled);
  const updates = parameters.map(({ name, shape }, i) =>
    emitUpdate(graph, defined(gradients.get(name), name), {
      weight: weights[i] as string,
      velocity: velocity[i],
      offset: offsets[i],
      pull: kind.pull ? pullOf(graph, shape.length === 1) : undefined,
      learningRate,
    }),
  );
  graph.output(graph.add('Identity', [goOn]), 'BOOL', []);
  const next = [...updates.map((update) => update.weight), ...updates.flatMap((u) => u.velocity)];
  for (const [i, value] of next.entries())
    graph.output(value, 'FP32', defined(parameters[i % parameters.length], 'parameter').shape);
  graph.output(graph.add('Concat', losses, { axis: 0 }), 'FP32', [losses.length]);
  return graph.build().graph;
}

function takeBatch(graph: GraphBuilder, step: string): { examples: string; targets: string } {
  const index = graph.add('Reshape', [step, int64s(graph, [1])]);
  const from = graph.add('Gather', [stepInputs.bounds, index]);
  const next = graph.add('Add', [index, int64s(graph, [1])]);
  const to = graph.add('Gather', [stepInputs.bounds, next]);
  const rows = (of: string): string => graph.add('Slice', [of, from, to, int64s(graph, [0])]);
  return { examples: rows(stepInputs.examples), targets: rows(stepInputs.targets) };
}

interface BatchValues {
  readonly examples: string;
  readonly targets: string;
  parameterValue(name: string): string;
}

interface EmittedLoss {
  readonly pass: EmittedForward;
  /** FP32 [1], one an exit. */
  readonly losses: readonly string[];
  /** d joint loss / d logits, one an exit. */
  readonly atLogits: readonly string[];
}

function emitLoss(
  graph: GraphBuilder,
  trainable: Trainable,
  { examples, targets, parameterValue }: BatchValues,
): EmittedLoss {
  const pass = trainable.emit(graph, examples, { training: true, parameterValue });
  const shape = graph.add('Shape', [targets]);
  const count = graph.add('Gather', [shape, int64(graph, 0)]);
  const rows = graph.add('Cast', [count], { to: 1 });
  const temperature = stepInputs.temperature;
  const each = pass.logits.map((logits) =>
    softmaxCrossEntropy(graph, logits, { targets, rows, temperature }),
  );
  return {
    pass,
    losses: each.map(({ value }) => graph.add('Reshape', [value, int64s(graph, [1])])),
    atLogits: each.map(({ gradient }, i) => {
      const weight = trainable.exits[i]?.lossWeight ?? 1;
      return weight === 1 ? gradient : graph.add('Mul', [gradient, scalar(graph, weight)]);
    }),
  };
}

interface UpdateValues {
  readonly weight: string;
  readonly velocity: string | undefined;
  readonly offset: string | undefined;
  readonly pull: string | undefined;
  /** A scalar. */
  readonly learningRate: string;
}

/** `gradient` is the loss's; without momentum it has been multiplied by −learning rate. */
function emitUpdate(
  graph: GraphBuilder,
  gradient: Gradient,
  { weight, velocity, offset, pull, learningRate }: UpdateValues,
): { readonly weight: string; readonly velocity: readonly string[] } {
  const mul = (a: string, b: string): string => graph.add('Mul', [a, b]);
  if (velocity === undefined) {
    let from = weight;
    if (pull) {
      const kept = graph.add('Sub', [scalar(graph, 1), mul(pull, learningRate)]);
      from = mul(weight, kept);
    }
    if (offset) from = graph.add('Add', [from, mul(offset, learningRate)]);
    return { weight: gradient(from), velocity: [] };
  }
  let kept = mul(velocity, stepInputs.momentum);
  if (pull) kept = graph.add('Add', [kept, mul(weight, pull)]);
  if (offset) kept = graph.add('Sub', [kept, offset]);
  const next = gradient(kept);
  return { weight: graph.add('Sub', [weight, mul(next, learningRate)]), velocity: [next] };
}

const pullOf = (graph: GraphBuilder, isBias: boolean): string =>
  isBias ? stepInputs.pull : graph.add('Add', [stepInputs.pull, stepInputs.decay]);

/** The tensors of a vector. */
function split(graph: GraphBuilder, vector: string, parameters: readonly Parameter[]): string[] {
  const sizes = parameters.map(({ shape }) => sizeOf(shape));
  const parts =
    parameters.length === 1
      ? [vector]
      : graph.addMany('Split', [vector, int64s(graph, sizes)], parameters.length, { axis: 0 });
  return parameters.map(({ shape }, i) =>
    graph.add('Reshape', [parts[i] as string, int64s(graph, shape)]),
  );
}

/** The vector of tensors. */
function join(graph: GraphBuilder, tensors: readonly string[], name: string, size: number): void {
  const flat = tensors.map((tensor) => graph.add('Reshape', [tensor, int64s(graph, [-1])]));
  graph.add('Concat', flat, { axis: 0 }, name);
  graph.output(name, 'FP32', [size]);
}

const int64 = (graph: GraphBuilder, value: number): string =>
  graph.constant({ datatype: 'INT64', shape: [], data: BigInt64Array.of(BigInt(value)) });
