// Who makes a value, who reads it, and which values are constant: what every look into a graph starts from.

import { ok, type Result } from '@skerry/shared';
import type { Tensor } from '../tensor.ts';
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from './model-proto.ts';
import { decodeTensor } from './tensor-proto.ts';

export interface GraphIndex {
  readonly graph: GraphProto;
  /** Undefined for an input of the graph and for a constant. */
  producerOf(value: string): NodeProto | undefined;
  readersOf(value: string): readonly NodeProto[];
  /** The bytes of a constant, undefined for a value that is computed. */
  initializerOf(value: string): TensorProto | undefined;
  /** The tensor of a constant; undefined for a value that is computed. */
  constantOf(value: string): Result<Tensor | undefined>;
  isOutput(value: string): boolean;
  /** The graph's inputs without those that are only the name of a constant (IR versions before 4 list both). */
  readonly inputs: readonly string[];
}

export function indexGraph(graph: GraphProto): GraphIndex {
  const producers = new Map<string, NodeProto>();
  const readers = new Map<string, NodeProto[]>();
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const outputs = new Set(graph.output.map(({ name }) => name));
  for (const node of graph.node) {
    for (const value of node.output) producers.set(value, node);
    for (const value of new Set(valuesRead(node)))
      readers.set(value, [...(readers.get(value) ?? []), node]);
  }
  return {
    graph,
    producerOf: (value) => producers.get(value),
    readersOf: (value) => readers.get(value) ?? [],
    initializerOf: (value) => initializers.get(value),
    constantOf(value) {
      const proto = initializers.get(value);
      return proto === undefined ? ok(undefined) : decodeTensor(proto);
    },
    isOutput: (value) => outputs.has(value),
    inputs: graph.input.map(({ name }) => name).filter((name) => !initializers.has(name)),
  };
}

/** A node's inputs, and what the graphs inside its attributes (If, Loop) read from outside. */
export function valuesRead(node: NodeProto): string[] {
  const inner = node.attribute.flatMap(({ g, graphs }) => [...(g ? [g] : []), ...(graphs ?? [])]);
  return [...node.input.filter((value) => value !== ''), ...inner.flatMap(valuesCaptured)];
}

function valuesCaptured(graph: GraphProto): string[] {
  const own = new Set([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name ?? ''),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  const read = [...graph.node.flatMap(valuesRead), ...graph.output.map(({ name }) => name)];
  return read.filter((value) => !own.has(value));
}

export const attributeOf = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute.find((attribute) => attribute.name === name);

export const intAttribute = (node: NodeProto, name: string, fallback: number): number =>
  Number(attributeOf(node, name)?.i ?? fallback);

export const floatAttribute = (node: NodeProto, name: string, fallback: number): number =>
  attributeOf(node, name)?.f ?? fallback;

/** The version of the standard operators that a model was written for; 0 where it says none. */
export function opsetOf(model: {
  readonly opsetImport: readonly { readonly domain?: string; readonly version: bigint }[];
}): number {
  const found = model.opsetImport.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  return Number(found?.version ?? 0);
}
