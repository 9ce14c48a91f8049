// An ONNX model as something to train, whole or its head alone, whoever has made it. What training does not change runs
// once an example; the rest is emitted anew with its backward pass (reverse-mode differentiation, node by node).

import { assert, createRandom, defined, err, failure, ok, type Result } from '@skerry/shared';
import type { GraphBuilder } from '../../onnx/graph-builder.ts';
import { encodeModel, type ModelProto, type NodeProto } from '../../onnx/model-proto.ts';
import { noiseFeeds } from '../../onnx/noise-feeds.ts';
import { type GraphProfile, profileGraph } from '../../onnx/profile-graph.ts';
import { pruneGraph } from '../../onnx/prune-graph.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { addTo, type Gradient } from '../layers/layer.ts';
import type { FrozenPart } from '../onnx-trainer.ts';
import {
  type EmittedForward,
  layoutOf,
  type Trainable,
  type TrainableSite,
  tensorsOf,
  vectorOf,
} from '../trainable.ts';
import { findTrained, type TrainedPart, type TrainScope } from './find-trained.ts';
import { differentiable, type EmittedNode, type Placed, ruleOf } from './operator-rules.ts';
import { type PreparedGraph, prepareGraph, writeWeights } from './prepare-graph.ts';

export interface ImportOptions {
  readonly trains: TrainScope;
  /** The output that holds the logits; `logits`, or the only one, where it is not said. */
  readonly output?: string | undefined;
}

export interface ImportedTrainable {
  readonly trainable: Trainable;
  /** Undefined where training reads what the model itself takes. */
  readonly frozen: FrozenPart | undefined;
  /** As they are in the model. */
  readonly weights: Float32Array<ArrayBuffer>;
  /** The model with other weights. */
  withWeights(weights: Float32Array<ArrayBuffer>): Uint8Array;
}

/** Fails with `invalid_bundle` for what is no model, and where it cannot be differentiated: by the operator's name. */
export async function importTrainable(
  bytes: Uint8Array,
  { trains, output }: ImportOptions,
  runtime: Runtime,
): Promise<Result<ImportedTrainable>> {
  const graph = await prepareGraph(bytes, runtime);
  if (!graph.ok) return graph;
  const { read } = graph.value;
  const names = read.graph.output.map(({ name }) => name);
  const logits = output ?? (names.length === 1 ? names[0] : 'logits');
  if (logits === undefined || !names.includes(logits))
    return err(failure('invalid_bundle', `there is no output '${logits}' among: ${names}`));
  const profile = await seen(bytes, read, runtime);
  if (!profile.ok) return profile;
  const trained = findTrained(profile.value.index, logits, trains);
  if (!trained.ok) return trained;
  return assemble(graph.value, profile.value, trained.value);
}

/** The shapes of its values, for one example. */
async function seen(
  bytes: Uint8Array,
  model: ModelProto,
  runtime: Runtime,
): Promise<Result<GraphProfile>> {
  const session = await runtime.load(bytes);
  if (!session.ok) return session;
  const { inputs } = session.value;
  await session.value.close();
  if (inputs.length !== 1)
    return err(failure('invalid_bundle', `it takes ${inputs.length} inputs, not one`));
  const feeds = noiseFeeds(inputs, createRandom(0));
  return feeds.ok ? profileGraph(model, [feeds.value], runtime) : feeds;
}

function assemble(
  graph: PreparedGraph,
  profile: GraphProfile,
  trained: TrainedPart,
): Result<ImportedTrainable> {
  const refusal = refusalOf(profile, trained);
  if (refusal !== undefined) return err(failure('invalid_bundle', refusal));
  const shapeOf = (value: string) => defined(profile.tensorOf(value), value).shape;
  const logits = shapeOf(trained.logits);
  const features = defined(profile.tensorOf(trained.features), trained.features);
  if (logits.length !== 2)
    return err(failure('invalid_bundle', `'${trained.logits}' [${logits}] are no logits`));
  if (features.datatype !== 'FP32')
    return err(failure('invalid_bundle', `'${trained.features}' is ${features.datatype}`));
  const trainable: Trainable = {
    input: features.shape.slice(1),
    parameters: trained.parameters.map((name) => {
      const shape = shapeOf(name);
      return { name, shape, fanIn: shape.slice(1).reduce((product, size) => product * size, 1) };
    }),
    exits: [{ classes: logits[1] as number, lossWeight: 1 }],
    emit: (into, input, site) => emitTrained(into, profile, trained, input, site),
  };
  const weights = new Map(
    trained.parameters.map((name) => [name, profile.tensorOf(name)?.data as Float32Array]),
  );
  const isInput = graph.read.graph.input.some(({ name }) => name === trained.features);
  return ok({
    trainable,
    frozen: isInput ? undefined : frozenPart(graph.read, trained.features),
    weights: vectorOf(layoutOf(trainable), weights),
    withWeights(vector) {
      const written = writeWeights(graph, tensorsOf(layoutOf(trainable), vector));
      assert(written.ok, 'what was read from a graph can be written there');
      return encodeModel(written.value);
    },
  });
}

function frozenPart(model: ModelProto, features: string): FrozenPart {
  const graph = { ...model.graph, output: [{ name: features }] };
  return { model: encodeModel(pruneGraph({ ...model, graph })), features };
}

function refusalOf(profile: GraphProfile, trained: TrainedPart): string | undefined {
  for (const node of trained.nodes) {
    const rule = ruleOf(node);
    const name = `${node.opType} '${node.name || node.output[0]}'`;
    if (rule === undefined)
      return `training cannot go through ${name}; it can through ${differentiable.join(', ')}`;
    const refusal = rule.refusal?.(place(profile, node, () => '', true));
    if (refusal !== undefined) return `training cannot go through ${name}: it ${refusal}`;
    const elsewhere = node.input.find(
      (value, i) => trained.parameters.includes(value) && !rule.weights.includes(i),
    );
    if (elsewhere !== undefined)
      return `training cannot go through ${name}: it reads the weights '${elsewhere}' as an input`;
  }
  return undefined;
}

function place(
  profile: GraphProfile,
  node: NodeProto,
  valueIn: (value: string) => string,
  training: boolean,
): Placed {
  const shapeOf = (value: string) => profile.tensorOf(value)?.shape ?? [];
  return {
    node,
    inputs: node.input.map((value) => (value === '' ? '' : valueIn(value))),
    shapes: node.input.map(shapeOf),
    outputShape: shapeOf(node.output[0] ?? ''),
    training,
    constantOf(input) {
      const value = node.input[input] ?? '';
      return profile.index.initializerOf(value) ? profile.tensorOf(value) : undefined;
    },
  };
}

function emitTrained(
  graph: GraphBuilder,
  profile: GraphProfile,
  { nodes, features, parameters, logits }: TrainedPart,
  input: string,
  { training, parameterValue }: TrainableSite,
): EmittedForward {
  const values = new Map<string, string>([[features, input]]);
  for (const name of parameters) values.set(name, parameterValue(name));
  const valueIn = (value: string): string => {
    const had = values.get(value);
    if (had !== undefined) return had;
    const made = graph.constant(defined(profile.tensorOf(value), value));
    values.set(value, made);
    return made;
  };
  const emitted = nodes.map((node): { node: NodeProto; emitted: EmittedNode } => {
    const rule = defined(ruleOf(node), node.opType);
    const one = rule.emit(graph, place(profile, node, valueIn, training));
    values.set(node.output[0] as string, one.output);
    return { node, emitted: one };
  });
  return {
    logits: [valueIn(logits)],
    backward: ([atLogits = '']) => {
      const weights = new Set(parameters);
      const tracked = new Set([...parameters, ...nodes.flatMap(({ output }) => output)]);
      const gradients = new Map<string, Gradient[]>([[logits, [() => atLogits]]]);
      const add = (value: string, gradient: Gradient): void =>
        void gradients.set(value, [...(gradients.get(value) ?? []), gradient]);
      for (const { node, emitted: one } of emitted.toReversed()) {
        const parts = gradients.get(node.output[0] as string);
        if (parts === undefined) continue;
        const backward = one.backward(sumOf(parts)());
        for (const [i, value] of node.input.entries()) {
          const gradient = backward[i];
          if (!tracked.has(value)) continue;
          const needed = defined(gradient, `the gradient of input ${i} of ${node.opType}`);
          if (weights.has(value)) add(value, needed);
          else {
            const made = needed();
            add(value, (plus) => addTo(graph, made, plus));
          }
        }
      }
      return new Map(parameters.map((name) => [name, sumOf(defined(gradients.get(name), name))]));
    },
  };
}

/** A value that several read has the sum of their gradients. */
const sumOf =
  (parts: readonly Gradient[]): Gradient =>
  (plus) =>
    defined(
      parts.reduce<string | undefined>((sum, part) => part(sum), plus),
      'a gradient',
    );
